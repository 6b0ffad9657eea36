"""The in-memory limits of one key or project: requests and tokens per minute, and concurrent requests."""

import math
from collections.abc import Sequence
from typing import Literal, Protocol

import msgspec

from forefront.gateway.limits.sliding_window import SlidingWindow, WindowEntry
from forefront.wire.admin.records import Limits
from forefront.wire.errors import RateLimitState, RequestError


class RateLimiter:
    """The state of one set of limits. `subject`, `key` or `project`, appears in errors."""

    def __init__(self, subject: str) -> None:
        self.subject = subject
        self.running = 0
        self.reading = 0  # requests whose bodies are being read
        self.limits = Limits()
        self._revision = -1
        self.requests: SlidingWindow | None = None
        self.tokens: SlidingWindow | None = None

    def update(self, limits: Limits, revision: int) -> None:
        """Apply the limits of a store `revision`, unless newer ones were applied. Usage is kept."""
        if revision <= self._revision:
            return
        self._revision = revision
        self.limits = limits
        self.requests = _with_limit(self.requests, limits.requests_per_minute)
        self.tokens = _with_limit(self.tokens, limits.tokens_per_minute)

    def idle(self, now: float) -> bool:
        """Whether the state can be dropped: no request runs and no usage counts."""
        return not (
            self.running
            or self.reading
            or (self.requests is not None and self.requests.used(now))
            or (self.tokens is not None and self.tokens.used(now))
        )

    def check_request(self, now: float) -> None:
        """Raise `RequestError` 429 if one more request exceeds a limit."""
        limit = self.limits.concurrency
        if limit is not None and self.running + self.reading >= limit:
            raise concurrency_exceeded(self.subject, limit)
        self.check_requests(now)

    def check_requests(self, now: float) -> None:
        """Raise `RequestError` 429 if one more request exceeds the limit per minute."""
        if self.requests is not None and (wait := self.requests.wait(now, 1)):
            raise requests_exceeded(self.subject, self.requests.limit, wait)

    def check_tokens(self, now: float, amount: int) -> None:
        """Raise `RequestError` 429 if `amount` more tokens exceed the limit."""
        if self.tokens is None:
            return
        wait = self.tokens.wait(now, amount)
        if wait != 0:
            raise tokens_exceeded(self.subject, self.tokens, now, amount, wait)


class TokenCharge(msgspec.Struct, frozen=True):
    """The tokens that a request was charged in one window."""

    window: SlidingWindow
    entry: WindowEntry
    amount: int

    def correct(self, used: int) -> None:
        """Replace the charged amount by the amount that was used."""
        self.window.adjust(self.entry, used - self.amount)


class LimitUsage(Protocol):
    """Usage of one limit, as reported to clients."""

    @property
    def limit(self) -> int:
        """The limit."""

    def remaining(self, now: float) -> int:
        """The remaining amount."""

    def reset(self, now: float) -> float:
        """Seconds until all usage has expired."""


class SubjectUsage(Protocol):
    """Usage of the limits per minute of one key or project."""

    @property
    def requests(self) -> LimitUsage | None:
        """Requests within a minute."""

    @property
    def tokens(self) -> LimitUsage | None:
        """Tokens within a minute."""


def rate_limits(subjects: Sequence[SubjectUsage], now: float) -> tuple[RateLimitState, ...]:
    """The limit of requests and the limit of tokens with the least left."""
    requests = _tightest("requests", [subject.requests for subject in subjects], now)
    tokens = _tightest("tokens", [subject.tokens for subject in subjects], now)
    return requests + tokens


def _tightest(
    unit: Literal["requests", "tokens"], usages: Sequence[LimitUsage | None], now: float
) -> tuple[RateLimitState, ...]:
    tightest, minimum = None, 0
    for usage in usages:
        if usage is not None and ((remaining := usage.remaining(now)) < minimum or tightest is None):
            tightest, minimum = usage, remaining
    return () if tightest is None else (RateLimitState(unit, tightest.limit, minimum, tightest.reset(now)),)


def concurrency_exceeded(subject: str, limit: int) -> RequestError:
    """The error of a request over the limit of concurrent requests."""
    text = f"This {subject} may run {limit} requests at a time, and as many are running."
    return RequestError("rate_limit_exceeded", text)


def requests_exceeded(subject: str, limit: int, wait: float) -> RequestError:
    """The error of a request over the limit of requests per minute, which has room again in `wait` seconds."""
    return _retry_later(f"This {subject} may make {limit} requests per minute.", wait)


def tokens_exceeded(subject: str, usage: LimitUsage, now: float, amount: int, wait: float | None) -> RequestError:
    """The error of a request over the limit of tokens per minute, which has room for `amount` in `wait` seconds; None
    for never."""
    text = f"This {subject} may use {usage.limit} tokens per minute and has {usage.remaining(now)} left,"
    text += f" and this request can take {amount} (its prompt and `max_tokens` together)."
    if wait is None:
        return RequestError("rate_limit_exceeded", text, retryable=False)
    return _retry_later(text, wait)


def _with_limit(window: SlidingWindow | None, limit: int | None) -> SlidingWindow | None:
    if limit is None:
        return None
    if window is None:
        return SlidingWindow(limit)
    window.limit = limit
    return window


def _retry_later(text: str, wait: float) -> RequestError:
    seconds = max(math.ceil(wait), 1)
    return RequestError("rate_limit_exceeded", f"{text} Try again in {seconds} s.", retry_after=wait)
