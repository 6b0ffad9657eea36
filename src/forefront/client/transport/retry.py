"""When a failed call is tried again, and after how long. No I/O."""

import random
import time
from typing import Final

from forefront.client.exceptions import APIConnectionError, APIError, APIStatusError, APITimeoutError
from forefront.client.settings import Timeout

MAX_WAIT: Final = 60.0
"""The longest that a server can make a call wait, in seconds; asked for more, the error is raised instead."""

_FIRST_WAIT: Final = 0.5
_LONGEST_BACKOFF: Final = 8.0


class Tries:
    """The tries of one call. `retries` counts those after the first; `end` is when the whole call must be over."""

    def __init__(self, timeout: Timeout, max_retries: int) -> None:
        self.retries = 0
        self.end = None if timeout.total is None else time.monotonic() + timeout.total
        self._max_retries = max_retries

    def pause_after(self, error: APIError) -> float:
        """Seconds until the next try. Raises `error` when there is to be none."""
        wait = None
        if self.retries < self._max_retries:
            wait = wait_before_retry(error, self.retries, random.random())  # noqa: S311 - spreads load, hides nothing
        if wait is None or (self.end is not None and time.monotonic() + wait >= self.end):
            raise error
        self.retries += 1
        return wait


def wait_before_retry(error: APIError, retries: int, chance: float) -> float | None:
    """Seconds to wait after `error`, `retries` tries after the first; None to give up.

    Tried again: connections that failed, 408, 429, 5xx, and whatever the server marks with `x-should-retry: true`.
    `chance` is from 0 to 1; it shortens waits that the server did not choose, so that clients do not come back in step.
    """
    if not _worthwhile(error):
        return None
    if isinstance(error, APIStatusError) and error.retry_after is not None:
        return error.retry_after if error.retry_after <= MAX_WAIT else None
    backoff: float = min(_FIRST_WAIT * 2 ** min(retries, 10), _LONGEST_BACKOFF)
    return backoff * (1 - chance / 4)


def _worthwhile(error: APIError) -> bool:
    if isinstance(error, APIStatusError):
        advice = error.headers.get("x-should-retry")
        if advice in ("true", "false"):
            return advice == "true"
        return error.status_code in (408, 429) or error.status_code >= 500
    return isinstance(error, APIConnectionError) and not (isinstance(error, APITimeoutError) and error.total)
