"""Renders an answer as Markdown while it streams."""

import re
from typing import Final

from rich.console import Console, RenderableType
from rich.live import Live
from rich.markdown import Markdown
from rich.text import Text

from forefront.cli.options.client_options import strip_controls

_FENCE = re.compile(r"^ {0,3}(`{3,}|~{3,})", re.MULTILINE)
# Of a longer block only the last lines are shown until it is complete, because each refresh renders it again.
_MAX_RENDERED: Final = 4000
_REFRESH: Final = 10  # per second


class MarkdownWriter:
    """Prints finished blocks once, and redraws only the block that still grows. A context manager."""

    def __init__(self, console: Console) -> None:
        self._console = console
        self._open = ""
        self._printed = False
        self._state = "Waiting …"
        self._live = Live(
            console=console,
            get_renderable=self._growing,
            refresh_per_second=_REFRESH,
            transient=True,
            vertical_overflow="ellipsis",
        )

    def __enter__(self) -> "MarkdownWriter":
        self._live.start()
        return self

    def __exit__(self, *_: object) -> None:
        rest, self._open = self._open, ""
        self._live.stop()
        self._print(rest)

    def reasoning(self) -> None:
        """The model reasons before it answers."""
        self._state = "Reasoning …"

    def write(self, text: str) -> None:
        """Add a piece of the answer."""
        self._open += strip_controls(text)
        end = finished_length(self._open)
        if end:
            finished, self._open = self._open[:end], self._open[end:]
            self._print(finished)

    def _print(self, text: str) -> None:
        if text.strip():
            if self._printed:
                self._console.print()
            self._printed = True
            self._console.print(_rendered(text))

    def _growing(self) -> RenderableType:
        text = self._open
        if not text and not self._printed:
            return Text(self._state, style="dim")
        if len(text) > _MAX_RENDERED:
            return Text("\n".join(text[-_MAX_RENDERED:].splitlines()[-self._console.height + 2 :]))
        return _rendered(text)


def finished_length(text: str) -> int:
    """The length of the part that no further text changes: up to the last blank line outside a code fence, unless
    a list or an indented text may go on after it."""
    position = text.rfind("\n\n")
    while position > 0:
        following = text[position + 2 :]
        if following and not following[0].isspace() and not _in_fence(text[:position]) and not _is_item(following):
            return position + 2
        position = text.rfind("\n\n", 0, position)
    return 0


def _in_fence(text: str) -> bool:
    opened = ""
    for match in _FENCE.finditer(text):
        if not opened:
            opened = match[1]
        elif match[1].startswith(opened):
            opened = ""
    return bool(opened)


def _is_item(text: str) -> bool:
    """Whether the text begins like an item of a list, or is too short to exclude it."""
    return len(text) < 4 or re.match(r"([-*+]|\d{1,9}[.)])(\s|$)", text) is not None


def _rendered(text: str) -> Markdown:
    # Links are written out, because terminal links can hide their target.
    return Markdown(text, hyperlinks=False)
