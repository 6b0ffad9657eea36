"""Server-sent events, read from chunks of bytes within a bound."""

from typing import Final

# Bytes of an unfinished event up to which it is kept in one piece.
_MAX_WHOLE_EVENT: Final = 2**16
_BOM: Final = b"\xef\xbb\xbf"
# The comment before each event of another Forefront server.
_COMMENT: Final = b": message\n"


class EventTooLargeError(Exception):
    """An event, or a line, has more bytes than allowed."""


class BoundedEventReader:
    """Collects bytes and returns the data of complete events. It holds `limit` bytes at most."""

    def __init__(self, limit: int) -> None:
        self._limit = limit
        self._held = b""  # an unfinished event, or its last unfinished line
        self._data: list[bytes] = []  # the lines of an unfinished event
        self._size = 0
        self._started = False
        self._by_lines = False

    def feed(self, data: bytes) -> list[bytes]:
        """The data of the events that `data` completes. Raises `EventTooLargeError`."""
        if not self._started:
            self._started = True
            data = data.removeprefix(_BOM)
        text = self._held + data if self._held else data
        if self._by_lines or b"\r" in text:
            self._by_lines = True
            return self._feed_lines(text)
        # Nearly all servers end lines with a line feed only, so that two of them end an event.
        text = text.removeprefix(_COMMENT).replace(b"\n" + _COMMENT, b"\n")
        complete, separator, self._held = text.rpartition(b"\n\n")
        self._by_lines = len(self._held) > _MAX_WHOLE_EVENT
        if not separator:
            return []
        events = complete.removeprefix(b"data: ").split(b"\n\ndata: ")
        if complete.startswith(b"data: ") and complete.count(b"\n") == 2 * (len(events) - 1):
            return events
        return [found for event in complete.split(b"\n\n") if (found := _data_of(event)) is not None]

    def _feed_lines(self, text: bytes) -> list[bytes]:
        """The same line by line, for events that are long or have other ends of lines."""
        lines = text.split(b"\n")
        self._held = lines.pop()
        if b"\r" in self._held[:-1]:
            *more, self._held = _carriage_returns(self._held)
            lines += more
        if len(self._held) + self._size > self._limit:
            raise EventTooLargeError
        events: list[bytes] = []
        for line in lines:
            for part in _carriage_returns(line.removesuffix(b"\r")):
                self._line(part, events)
        return events

    def finish(self) -> list[bytes]:
        """The data of the event that the end of the stream completes: one without a blank line after it."""
        held, self._held = self._held, b""
        return self._feed_lines(held.removesuffix(b"\r") + b"\n\n")

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


def _data_of(event: bytes) -> bytes | None:
    """The data of an event, its lines joined; None if it has none."""
    if event.startswith(b"data: ") and b"\n" not in event:
        return event[6:]
    lines = [line[5:].removeprefix(b" ") for line in event.split(b"\n") if line.startswith(b"data:")]
    return b"\n".join(lines) if lines else None


def _carriage_returns(line: bytes) -> list[bytes]:
    """The parts of a line between single carriage returns."""
    return line.split(b"\r")
