"""One request's reservation under rate limits that are counted in memory."""

from collections.abc import Callable, Sequence

from forefront.gateway.limits.rate_limiter import RateLimiter, TokenCharge, rate_limits
from forefront.wire.errors import RateLimitState


class LocalReservation:
    """The reservation of one request, which is counted on construction. Call `take` once its size is known, and
    `release` at its end in any case. `RedisReservation` has the same methods."""

    def __init__(self, limiters: Sequence[RateLimiter], clock: Callable[[], float]) -> None:
        self._limiters = limiters
        self._clock = clock
        self._charges: list[TokenCharge] = []
        now = clock()
        for limiter in limiters:
            limiter.running += 1
            if limiter.requests is not None:
                limiter.requests.add(now, 1)

    async def take(self, amount: int) -> None:
        """Take `amount` tokens. Raises `RequestError` 429 over a limit."""
        if not amount:
            return
        now = self._clock()
        for limiter in self._limiters:
            limiter.check_tokens(now, amount)
        for limiter in self._limiters:
            if (window := limiter.tokens) is not None:
                self._charges.append(TokenCharge(window, window.add(now, amount), amount))

    def rate_limits(self) -> tuple[RateLimitState, ...]:
        """The limits of the key and its project."""
        return rate_limits(self._limiters, self._clock())

    def release(self, used: int) -> None:
        """Return all tokens but `used`, and the concurrency slots."""
        for limiter in self._limiters:
            limiter.running -= 1
        for charge in self._charges:
            charge.correct(used)

    async def wait_released(self) -> None:
        """Return at once: `release` has effect immediately."""
