"""One request's account: what it may use, what it used, and the row that says so."""

import time
from collections.abc import Callable, Sequence

from forefront.gateway.admission_queue import AdmissionQueue, QueueEntry
from forefront.gateway.keys.principal import Principal
from forefront.gateway.ledger.budget_lease import BudgetHold, BudgetRefusal, ReservationRequest
from forefront.gateway.ledger.ledger import Ledger
from forefront.gateway.ledger.pricing import Price
from forefront.gateway.ledger.settlement import LedgerRow
from forefront.gateway.limits.rate_limiter import RateLimiter, TokenCharge, rate_headers
from forefront.gateway.limits.redis_reservation import RedisReservation
from forefront.gateway.store.database import StoreError
from forefront.wire.admin import Status
from forefront.wire.errors import ApiError


class Lease:
    """The meter of one request, and a context: whatever has not been settled when it is left is written as broken off,
    and an error that leaves it gets the `x-ratelimit-*` headers.

    Made by `Gateway.admit`, which has counted the request. Whoever answers it calls `admit` once its size is known and
    `begin` with the first token, keeps the counts of tokens true, and calls `settle` before the end can be seen. Limits
    that servers share are counted by a `claim`, in the allowances' place, once the size is known.
    """

    def __init__(
        self,
        principal: Principal,
        model: str,
        completion: str,
        allowances: Sequence[RateLimiter],
        price: Price,
        writer: Ledger,
        turns: AdmissionQueue,
        clock: Callable[[], float],
        claim: RedisReservation | None = None,
    ) -> None:
        self.input_tokens = self.cached_tokens = self.output_tokens = self.reasoning_tokens = 0
        self.started: float | None = None
        self._principal, self._model, self._completion = principal, model, completion
        self._allowances, self._price = allowances, price
        self._writer, self._turns, self._clock = writer, turns, clock
        self._received = time.time()
        self._claim = claim
        self._taken: list[TokenCharge] = []
        self._hold: BudgetHold | None = None
        self._settled = False
        self.turn: QueueEntry | None = None
        turns.reserve(principal.project.name)
        now = clock()
        for allowance in allowances:
            allowance.running += 1
            if allowance.requests is not None:
                allowance.requests.add(now, 1)

    def headers(self) -> dict[str, str]:
        """The `x-ratelimit-*` headers, as they stand now."""
        if self._claim is not None:
            return self._claim.headers()
        return rate_headers(self._allowances, self._clock())

    def __enter__(self) -> "Lease":
        return self

    def __exit__(self, _kind: type[BaseException] | None, error: BaseException | None, _trace: object) -> None:
        self.abandon("failed" if isinstance(error, Exception) else "aborted")
        if isinstance(error, ApiError):
            error.headers |= self.headers()  # the request has been counted, whatever came of it

    async def count(self) -> None:
        """Count a request that generates nothing, towards limits that servers share as well. Raises `ApiError` like
        `admit`."""
        if self._claim is not None:
            await self._claim.take(0)

    async def admit(self, input_tokens: int, output_tokens: int) -> None:
        """Hold what the request may take of limits and budgets, then wait until it is its turn.

        Raises `ApiError`: 429 over a limit, 403 for a budget, 503 when the store fails.
        """
        if self._claim is not None:
            await self._claim.take(input_tokens + output_tokens)
        self._take_tokens(input_tokens + output_tokens)
        await self._reserve_budget(input_tokens, output_tokens)
        self.turn = self._turns.enqueue(
            self._principal.project.name, self._principal.project.weight, input_tokens + output_tokens
        )
        await self.turn.wait()
        self.input_tokens = input_tokens

    def begin(self, cached_tokens: int) -> None:
        """The first token is there."""
        self.cached_tokens = cached_tokens
        self.started = time.time()

    def end_turn(self, output_tokens: int) -> None:
        """The engine has finished, with so many tokens sampled: the slot is free, however slowly the client reads."""
        if self.turn is not None:
            self.turn.release(self.input_tokens + output_tokens)

    async def settle(self, status: Status, finish_reason: str | None) -> None:
        """Return once the row is in the ledger. Raises `ApiError` 503 when it could not be written."""
        if self._settled:
            return
        row = self._close(status, finish_reason)
        if row is None:
            return
        try:
            await self._writer.settle(row, self._hold)
        except StoreError:
            text = "The server could not write its ledger, so this answer is not given out; it costs nothing."
            raise ApiError("store_unavailable", text, headers={"retry-after": "1"}) from None
        if self._claim is not None:
            await self._claim.wait_released()  # on its way since before the row was

    def abandon(self, status: Status) -> None:
        """The same for a request that did not come to its end; nobody waits for the row."""
        if not self._settled and (row := self._close(status, None)) is not None:
            self._writer.post(row, self._hold)

    def _take_tokens(self, amount: int) -> None:
        now = self._clock()
        for allowance in self._allowances:
            allowance.check_tokens(now, amount)
        for allowance in self._allowances:
            if (window := allowance.tokens) is not None:
                self._taken.append(TokenCharge(window, window.add(now, amount), amount))

    async def _reserve_budget(self, input_tokens: int, output_tokens: int) -> None:
        key, project = self._principal.key, self._principal.project
        if key.budget is None and project.budget is None:
            return
        cost = self._price.max_cost(input_tokens, output_tokens)
        amount = input_tokens + output_tokens
        wanted = ReservationRequest(key.id, project.name, amount, cost, key.budget, project.budget)
        try:
            held = await self._writer.reserve(wanted)
        except StoreError:
            text = "The server cannot write its ledger at the moment, so it takes no requests; try again."
            raise ApiError("store_unavailable", text, headers={"retry-after": "1"}) from None
        if isinstance(held, BudgetRefusal):
            raise _exhausted(held)
        self._hold = held

    def _close(self, status: Status, finish_reason: str | None) -> LedgerRow | None:
        """Give everything back but what was used; the row, unless the request never began."""
        self._settled = True
        for allowance in self._allowances:
            allowance.running -= 1
        used = self.input_tokens + self.output_tokens
        for taken in self._taken:
            taken.correct(used)
        if self._claim is not None:
            self._claim.release(used)
        if self.turn is not None:
            self.turn.release(used)
        else:
            self._turns.cancel(self._principal.project.name)
        if not self.input_tokens:
            if self._hold is not None:
                self._writer.release(self._hold)
            return None
        cost = 0 if status == "failed" else self._price.cost(self.input_tokens, self.cached_tokens, self.output_tokens)
        return LedgerRow(
            id=self._completion,
            key_id=self._principal.key.id,
            project=self._principal.project.name,
            model=self._model,
            status=status,
            finish_reason=finish_reason,
            input_tokens=self.input_tokens,
            cached_tokens=self.cached_tokens,
            output_tokens=self.output_tokens,
            reasoning_tokens=self.reasoning_tokens,
            cost_nanos=cost,
            received_at=self._received,
            first_token_at=self.started,
            finished_at=time.time(),
        )


def _exhausted(refusal: BudgetRefusal) -> ApiError:
    period = {"day": "of today", "month": "of this month", "ever": ""}[refusal.period]
    unit = "tokens" if refusal.unit == "tokens" else "units of money"
    text = (
        f"The budget {period} of this {refusal.subject} is {refusal.limit:g} {unit}; {refusal.remaining:g} are left, "
        f"and this request can take {refusal.requested:g}. A smaller `max_tokens` takes less."
    ).replace("  ", " ")
    return ApiError("insufficient_credits", text, headers={"x-should-retry": "false"})
