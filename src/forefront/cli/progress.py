"""A line for each step of a start: what is being done, and how long it took."""

import time
from collections.abc import Iterator
from contextlib import contextmanager

from rich.console import Console


class Steps:
    """Shows steps on a terminal with a spinner, and elsewhere (a log file) as one line at their start and end."""

    def __init__(self, console: Console) -> None:
        self._console = console

    @contextmanager
    def step(self, text: str) -> Iterator[None]:
        """Announce a step; when it has been done, say how long it took."""
        start = time.monotonic()
        if self._console.is_terminal:
            with self._console.status(f"{text} …"):
                yield
        else:
            self._console.print(f"{text} …", markup=False)
            yield
        self._console.print(f"{text}: {time.monotonic() - start:.1f} s", markup=False)
