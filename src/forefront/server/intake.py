"""How much of the clients' bodies the server holds at a time, and for how long it waits for them."""

from collections.abc import Iterator
from contextlib import contextmanager

from forefront.wire.errors import ApiError


class Intake:
    """Bounds bodies: `seconds` for each to arrive, `memory` bytes for all that are being read or answered."""

    def __init__(self, seconds: float = 60.0, memory: int = 256 * 2**20) -> None:
        self.seconds = seconds
        self._left = memory

    @contextmanager
    def hold(self, size: int) -> Iterator[None]:
        """Hold `size` bytes for as long as the context. Raises `ApiError` 503 when there is no room."""
        if size > self._left:
            text = "The server is busy with other requests' bodies; try again."
            raise ApiError("overloaded", text, headers={"retry-after": "1"})
        self._left -= size
        try:
            yield
        finally:
            self._left += size
