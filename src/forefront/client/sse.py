"""Decoding of server-sent events, without I/O."""

import re
from collections.abc import Iterator
from typing import Final

MAX_EVENT: Final = 16 * 2**20
"""The most bytes that one event may have, so that a server that never ends a line cannot fill the memory."""

_LINE_END: Final = re.compile(rb"\r\n|\r|\n")
_BOM: Final = b"\xef\xbb\xbf"


class EventTooLongError(Exception):
    """An event has more than `MAX_EVENT` bytes."""


class SSEDecoder:
    """Decodes one stream. The events do not depend on how the bytes are split.

    Follows the standard, and skips comments and the fields `event` and `retry`. Lines end in LF, CRLF or CR. The end of
    the stream discards an unfinished event. `last_id` is the `id` of the last event that had one.
    """

    def __init__(self, max_event: int = MAX_EVENT) -> None:
        self.last_id: str | None = None
        self._id: str | None = None  # of the unfinished event
        self._max_event = max_event
        self._size = 0  # of the unfinished event, its unfinished line included
        self._line: list[bytes] = []  # pieces of the unfinished line: joining them once keeps long lines linear
        self._data: list[bytes] = []
        self._after_cr = False
        self._at_start = True

    def feed(self, piece: bytes) -> Iterator[str]:
        """The data of each event that `piece` completes. Exhaust the result before feeding the next piece.

        Raises `EventTooLongError`.
        """
        if not piece:
            return
        if self._after_cr:
            piece = piece.removeprefix(b"\n")  # the second half of a CRLF
        self._after_cr = piece.endswith(b"\r")
        *ends, rest = _LINE_END.split(piece)
        for end in ends:
            self._grow(end)
            line = b"".join(self._line)
            self._line.clear()
            if (data := self._take(line)) is not None:
                yield data
        self._grow(rest)

    def _grow(self, piece: bytes) -> None:
        self._size += len(piece)
        if self._size > self._max_event:
            raise EventTooLongError
        self._line.append(piece)

    def _take(self, line: bytes) -> str | None:
        """Process a complete line; returns the event's data if the line ends an event."""
        if self._at_start:
            line = line.removeprefix(_BOM)
            self._at_start = False
        if line:
            name, _, value = line.partition(b":")
            if name == b"data":
                self._data.append(value.removeprefix(b" "))
            elif name == b"id":
                self._id = value.removeprefix(b" ").decode("ascii", "replace")
            return None
        self._size = 0
        if not self._data:
            return None
        self.last_id = self._id or self.last_id
        data = b"\n".join(self._data).decode("utf-8", "replace")
        self._data.clear()
        return data
