"""Streams without keep-alive comments, which any stream can have on a busy machine."""

import re
from typing import Final

_COMMENT: Final = re.compile(r"^: (?!message\n).*\n", re.MULTILINE)


def without_pauses(text: str) -> str:
    """The stream without its comments, except those that begin an event of chat completions."""
    return _COMMENT.sub("", text)
