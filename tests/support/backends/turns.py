"""`forefront serve` that measures the turns of its event loop. At SIGUSR2 it writes the longest processor time that the
loop's thread has spent between two turns since the last signal, in seconds, to the file named by `TURNS_FILE`."""

import asyncio
import os
import signal
import time
from pathlib import Path

import uvloop

from forefront.cli import main

_new_loop = uvloop.new_event_loop
_BETWEEN = 0.001  # seconds


class _Turns:
    """Ticks on an event loop, and keeps the most processor time between two ticks."""

    def __init__(self, loop: asyncio.AbstractEventLoop) -> None:
        self._loop = loop
        self._longest = 0.0
        self._before: float | None = None
        loop.add_signal_handler(signal.SIGUSR2, self._report)
        loop.call_soon(self._tick)

    def _tick(self) -> None:
        now = time.thread_time()
        self._longest = max(self._longest, now - (now if self._before is None else self._before))
        self._before = now
        self._loop.call_later(_BETWEEN, self._tick)

    def _report(self) -> None:
        path = Path(os.environ["TURNS_FILE"])
        path.with_suffix(".new").write_text(str(self._longest))
        path.with_suffix(".new").rename(path)
        self._longest = 0.0


def _measured_loop() -> uvloop.Loop:
    loop = _new_loop()
    _Turns(loop)
    return loop


if __name__ == "__main__":
    uvloop.new_event_loop = _measured_loop
    main()
