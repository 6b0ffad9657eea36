"""The retry policy: the failures that are retried, and the waits. No I/O."""

import random
import time
from typing import Final

from forefront.client.exceptions import APIConnectionError, APIError, APIStatusError, APITimeoutError
from forefront.client.settings import Timeout

MAX_WAIT: Final = 60.0
"""The longest wait that a server may request, in seconds. For a longer one the error is raised."""

_FIRST_WAIT: Final = 0.5
_MAX_BACKOFF: Final = 8.0


class RetryState:
    """The attempts of one call. `retries` counts failed ones; `end` is when the whole call must be over, by default
    after the call's total timeout."""

    def __init__(self, timeout: Timeout, max_retries: int, end: float | None = None) -> None:
        self.retries = 0
        self.end = end if end is not None or timeout.total is None else time.monotonic() + timeout.total
        self._max_retries = max_retries

    def pause_after(self, error: APIError) -> float:
        """Seconds until the next attempt. Raises `error` if there is none."""
        wait = None
        if self.retries < self._max_retries:
            wait = wait_before_retry(error, self.retries, random.random())  # noqa: S311 - spreads load, hides nothing
        if wait is None or (self.end is not None and time.monotonic() + wait >= self.end):
            raise error
        self.retries += 1
        return wait


def wait_before_retry(error: APIError, retries: int, chance: float) -> float | None:
    """Seconds to wait after `error` and `retries` earlier retries; None to give up.

    Retried: failed connections, 408, 429, 5xx, and responses with `x-should-retry: true`. `chance` is from 0 to 1; it
    shortens waits that the server did not choose, so that clients do not retry in step.
    """
    if not is_retryable(error):
        return None
    if isinstance(error, APIStatusError) and error.retry_after is not None:
        return error.retry_after if error.retry_after <= MAX_WAIT else None
    backoff: float = min(_FIRST_WAIT * 2 ** min(retries, 10), _MAX_BACKOFF)
    return backoff * (1 - chance / 4)


def is_retryable(error: APIError) -> bool:
    """Whether another attempt may succeed."""
    if isinstance(error, APIStatusError):
        advice = error.headers.get("x-should-retry")
        if advice in ("true", "false"):
            return advice == "true"
        return error.status_code in (408, 429) or error.status_code >= 500
    return isinstance(error, APIConnectionError) and not (isinstance(error, APITimeoutError) and error.total)
