"""What one key or project may do now: requests and tokens within a minute, requests at a time."""

import math
from collections.abc import Sequence
from typing import Protocol

import msgspec

from forefront.gateway.limits.sliding_window import Entry, Window
from forefront.wire.admin import Limits
from forefront.wire.errors import ApiError


class Allowance:
    """The state behind one set of limits. `of` says whose they are, in errors: `key` or `project`."""

    def __init__(self, of: str) -> None:
        self.of = of
        self.running = 0
        self.reading = 0  # requests whose bodies are being read
        self.limits = Limits()
        self._revision = -1
        self.requests: Window | None = None
        self.tokens: Window | None = None

    def renew(self, limits: Limits, revision: int) -> None:
        """Take over the limits of a `revision` of the store, unless later ones are known; what was used stays used."""
        if revision <= self._revision:
            return
        self._revision = revision
        self.limits = limits
        self.requests = _resized(self.requests, limits.requests_per_minute)
        self.tokens = _resized(self.tokens, limits.tokens_per_minute)

    def idle(self, now: float) -> bool:
        """Whether nothing would be lost with it."""
        return not (
            self.running
            or self.reading
            or (self.requests is not None and self.requests.used(now))
            or (self.tokens is not None and self.tokens.used(now))
        )

    def check_request(self, now: float) -> None:
        """Raise `ApiError` 429 if one more request is too many."""
        most = self.limits.concurrency
        if most is not None and self.running + self.reading >= most:
            raise too_many_running(self.of, most)
        if self.requests is not None and (wait := self.requests.wait(now, 1)):
            raise too_many_requests(self.of, self.requests.limit, wait)

    def check_tokens(self, now: float, amount: int) -> None:
        """Raise `ApiError` 429 if `amount` more tokens are too many."""
        if self.tokens is None:
            return
        wait = self.tokens.wait(now, amount)
        if wait != 0:
            raise too_many_tokens(self.of, self.tokens, now, amount, wait)


class Taken(msgspec.Struct, frozen=True):
    """What a request took from one window."""

    window: Window
    entry: Entry
    amount: int

    def correct(self, amount: int) -> None:
        """Count `amount` tokens in place of those that were taken."""
        self.window.correct(self.entry, amount - self.amount)


class Count(Protocol):
    """What is used of a limit, as far as a client is told."""

    @property
    def limit(self) -> int:
        """The limit."""

    def remaining(self, now: float) -> int:
        """How much could be used now."""

    def reset(self, now: float) -> float:
        """Seconds until nothing counts any more."""


class Counts(Protocol):
    """What is used of one set of limits."""

    @property
    def requests(self) -> Count | None:
        """Within a minute."""

    @property
    def tokens(self) -> Count | None:
        """Within a minute."""


def rate_headers(allowances: Sequence[Counts], now: float) -> dict[str, str]:
    """`x-ratelimit-{limit,remaining,reset}-{requests,tokens}` of whichever has the least left; resets in seconds."""
    headers: dict[str, str] = {}
    _tell(headers, "requests", [one.requests for one in allowances], now)
    _tell(headers, "tokens", [one.tokens for one in allowances], now)
    return headers


def _tell(headers: dict[str, str], unit: str, counts: Sequence[Count | None], now: float) -> None:
    tightest, least = None, 0
    for count in counts:
        if count is not None and ((remaining := count.remaining(now)) < least or tightest is None):
            tightest, least = count, remaining
    if tightest is not None:
        headers[f"x-ratelimit-limit-{unit}"] = str(tightest.limit)
        headers[f"x-ratelimit-remaining-{unit}"] = str(least)
        headers[f"x-ratelimit-reset-{unit}"] = f"{tightest.reset(now):.3f}s"


def too_many_running(of: str, most: int) -> ApiError:
    """What is said over a limit of requests at a time."""
    text = f"This {of} may run {most} requests at a time, and as many are running."
    return ApiError("rate_limit_exceeded", text, headers={"retry-after": "1"})


def too_many_requests(of: str, most: int, wait: float) -> ApiError:
    """What is said over a limit of requests per minute that has room again in `wait` seconds."""
    return _later(f"This {of} may make {most} requests per minute.", wait)


def too_many_tokens(of: str, tokens: Count, now: float, amount: int, wait: float | None) -> ApiError:
    """What is said over a limit of tokens per minute that has room for `amount` in `wait` seconds; None for never."""
    text = f"This {of} may use {tokens.limit} tokens per minute, {tokens.remaining(now)} of them now,"
    text += f" and this request can take {amount} (its prompt and `max_tokens` together)."
    if wait is None:
        return ApiError("rate_limit_exceeded", text, headers={"x-should-retry": "false"})
    return _later(text, wait)


def _resized(window: Window | None, limit: int | None) -> Window | None:
    if limit is None:
        return None
    if window is None:
        return Window(limit)
    window.limit = limit
    return window


def _later(text: str, wait: float) -> ApiError:
    seconds = max(math.ceil(wait), 1)
    headers = {"retry-after": str(seconds), "retry-after-ms": str(math.ceil(wait * 1000))}
    return ApiError("rate_limit_exceeded", f"{text} Try again in {seconds} s.", headers=headers)
