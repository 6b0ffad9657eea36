"""The progress of a load that runs beside the server's requests."""

import logging
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Final

log = logging.getLogger(__name__)

# Bytes per second of a first load, which no earlier one has measured.
_INITIAL_RATE: Final = 2 * 10**8


class LoadCancelledError(Exception):
    """The server shuts down."""


class LoadProgress:
    """Receives the steps of a load in its thread; the event loop reads `percent`.

    A download counts its bytes. The rest is estimated from the seconds of the last load, or from the size.
    """

    def __init__(
        self, memory_bytes: int, last_seconds: float | None, clock: Callable[[], float] = time.monotonic
    ) -> None:
        self._expected = 1.0 + memory_bytes / _INITIAL_RATE if last_seconds is None else max(last_seconds, 0.1)
        self._clock = clock
        self._begin = clock()
        self._download: float | None = None
        self._cancelled = False

    @property
    def percent(self) -> int:
        """From 0 to 99."""
        share = (self._clock() - self._begin) / self._expected if self._download is None else self._download
        return min(int(share * 100), 99)

    def cancel(self) -> None:
        """Make the load fail at its next step."""
        self._cancelled = True

    @contextmanager
    def step(self, title: str) -> Iterator[None]:
        """See `Progress.step`."""
        self._check()
        log.info("%s", title)
        yield

    @contextmanager
    def download(self, title: str, size: int) -> Iterator[Callable[[int], None]]:
        """See `Progress.download`."""

        def count(received: int) -> None:
            self._check()
            self._download = received / max(size, 1)

        with self.step(title):
            yield count
        self._download, self._begin = None, self._clock()

    def _check(self) -> None:
        if self._cancelled:
            raise LoadCancelledError
