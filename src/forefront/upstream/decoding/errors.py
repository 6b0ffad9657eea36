"""Faults of an upstream's answer."""

from typing import Any


class MalformedAnswerError(Exception):
    """An upstream's answer is invalid. The message is for the log."""


class ErrorChunkError(Exception):
    """An error in place of a chunk: `body`, decoded."""

    def __init__(self, body: Any) -> None:
        super().__init__("the upstream reports an error")
        self.body = body
