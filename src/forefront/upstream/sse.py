"""Server-sent events, read from chunks of bytes within a bound."""

from typing import Final

_BOM: Final = b"\xef\xbb\xbf"


class EventTooLargeError(Exception):
    """An event, or a line, has more bytes than allowed."""


class EventReader:
    """Collects bytes and returns the data of complete events. It holds `limit` bytes at most."""

    def __init__(self, limit: int) -> None:
        self._limit = limit
        self._held = b""  # an unfinished line
        self._data: list[bytes] = []  # the lines of an unfinished event
        self._size = 0
        self._started = False

    def feed(self, data: bytes) -> list[bytes]:
        """The data of the events that `data` completes. Raises `EventTooLargeError`."""
        if not self._started:
            self._started = True
            data = data.removeprefix(_BOM)
        text = self._held + data if self._held else data
        # Nearly all servers end each line with a line feed, with or without a carriage return before it.
        lines = text.split(b"\n")
        self._held = lines.pop()
        if b"\r" in self._held[:-1]:
            *more, self._held = _carriage_returns(self._held)
            lines += more
        if len(self._held) + self._size > self._limit:
            raise EventTooLargeError
        events: list[bytes] = []
        if b"\r" not in text:
            for line in lines:
                # Most lines are empty or comments, and most events have one line.
                if line.startswith(b"data:") or (not line and self._data):
                    self._line(line, events)
            return events
        for line in lines:
            for part in _carriage_returns(line.removesuffix(b"\r")):
                self._line(part, events)
        return events

    def finish(self) -> list[bytes]:
        """The data of what the end of the stream completes: a last event without a blank line after it."""
        events: list[bytes] = []
        if self._held:
            held, self._held = self._held, b""
            self._line(held.removesuffix(b"\r"), events)
        self._line(b"", events)
        return events

    def _line(self, line: bytes, events: list[bytes]) -> None:
        if line.startswith(b"data:"):
            value = line[6:] if line[5:6] == b" " else line[5:]
            self._size += len(value)
            if self._size > self._limit:
                raise EventTooLargeError
            self._data.append(value)
        elif not line and self._data:
            events.append(self._data[0] if len(self._data) == 1 else b"\n".join(self._data))
            self._data, self._size = [], 0


def _carriage_returns(line: bytes) -> list[bytes]:
    """The parts of a line between single carriage returns."""
    return line.split(b"\r")
