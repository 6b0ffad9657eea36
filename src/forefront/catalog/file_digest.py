"""The digest of a model's files, computed in a thread where it takes long."""

import threading
from collections.abc import Sequence
from concurrent.futures import Future
from pathlib import Path

from forefront.catalog.model_cache import ModelCache


class FileDigest:
    """SHA-256, in hexadecimal, of files as in `ModelCache.digest`. Thread-safe."""

    def __init__(self, cache: ModelCache, paths: Sequence[Path]) -> None:
        """Raises `OSError`."""
        self._cache, self._paths = cache, paths
        self._known = cache.known_digest(paths)
        self._running: Future[str] | None = None

    @property
    def is_known(self) -> bool:
        """Whether `value` is available at once."""
        return self._known is not None

    def prepare(self) -> None:
        """Compute it now if weights of these files may already be packed, otherwise in a thread. Raises `OSError`."""
        if self._known is not None:
            return
        if self._cache.may_know(self._paths):
            self.value()
        elif self._running is None:
            self._running = Future()
            threading.Thread(target=self._compute, args=[self._running], name="digest", daemon=True).start()

    def value(self) -> str:
        """The digest; waits for it. Raises `OSError`."""
        if self._known is None:
            running = self._running
            self._known = self._cache.digest(self._paths) if running is None else running.result()
        return self._known

    def _compute(self, result: Future[str]) -> None:
        try:
            result.set_result(self._cache.digest(self._paths))
        except BaseException as error:  # raised where the digest is used
            result.set_exception(error)
