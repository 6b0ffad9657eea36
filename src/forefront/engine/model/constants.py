"""The memory of a graph's constants while its kernels copy them."""

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Final, Protocol

# Seconds between releases. Weights are copied at some GB/s, so about 100 MB are mapped at a time.
_PERIOD: Final = 0.02


class Constants(Protocol):
    """The constants of a graph, in mapped files. They must live as long as the compiled model."""

    def release(self) -> None:
        """Release their pages to the system, which reads them again when needed. Thread-safe."""


@contextmanager
def released_constants(constants: Constants | None) -> Iterator[None]:
    """Release the pages of constants every few milliseconds while the context is open, and at its end.

    The first pass of a compiled graph copies each matrix into the layout of its kernel, and no later pass reads the
    original. Otherwise the weights would be in memory twice, at the peak and afterwards.
    """
    if constants is None:
        yield
        return
    ended = threading.Event()

    def work() -> None:
        while not ended.wait(_PERIOD):
            constants.release()

    thread = threading.Thread(target=work, name="forefront-constants", daemon=True)
    thread.start()
    try:
        yield
    finally:
        ended.set()
        thread.join()
        constants.release()
