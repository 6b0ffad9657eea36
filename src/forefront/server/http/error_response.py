"""Errors as HTTP responses: status, headers and body."""

import math
from collections.abc import Sequence
from typing import Final

from forefront.server.http.headers import RawHeaders
from forefront.wire.errors import ERRORS, RateLimitState, RequestError

# Names of headers by unit: the limit, what is left of it, and the time of its renewal.
_RATE_LIMITS: Final = {
    "requests": (b"x-ratelimit-limit-requests", b"x-ratelimit-remaining-requests", b"x-ratelimit-reset-requests"),
    "tokens": (b"x-ratelimit-limit-tokens", b"x-ratelimit-remaining-tokens", b"x-ratelimit-reset-tokens"),
}
# Statuses of errors that may pass.
_RETRYABLE: Final = frozenset({408, 429, 500, 502, 503})


class ClosingError(RequestError):
    """An error whose response is the connection's last."""


def error_status(error: RequestError) -> int:
    """The HTTP status."""
    return ERRORS[error.code].status


def error_headers(error: RequestError) -> dict[str, str]:
    """`x-should-retry`; for 429 and 503 that may pass `retry-after`; what else the error and its status call for."""
    status = error_status(error)
    retryable = status in _RETRYABLE if error.retryable is None else error.retryable
    headers = {"content-type": "application/json", "x-should-retry": "true" if retryable else "false"}
    if retryable and status in (429, 503):
        headers["retry-after"] = str(max(math.ceil(error.retry_after or 0), 1))
        if error.retry_after is not None:
            headers["retry-after-ms"] = str(math.ceil(error.retry_after * 1000))
    if status == 401:
        headers["www-authenticate"] = "Bearer"
    if error.queue_position is not None:
        headers["x-queue-position"] = str(error.queue_position)
    if isinstance(error, ClosingError):
        headers["connection"] = "close"
    return headers | rate_limit_headers(error.rate_limits)


def rate_limit_headers(limits: Sequence[RateLimitState]) -> dict[str, str]:
    """`x-ratelimit-{limit,remaining,reset}-{requests,tokens}`; resets in seconds."""
    return {name.decode(): value.decode() for name, value in raw_rate_limit_headers(limits)}


def raw_rate_limit_headers(limits: Sequence[RateLimitState]) -> RawHeaders:
    """The same as ASGI takes them."""
    headers: RawHeaders = []
    for unit, limit, remaining, reset in limits:
        total, left, renewal = _RATE_LIMITS[unit]
        headers += (total, b"%d" % limit), (left, b"%d" % remaining), (renewal, b"%.3fs" % reset)
    return headers
