"""One request's account: its rate limits, budget, place in the queue and row in the ledger."""

import time

import msgspec

from forefront.gateway.admission_queue import AdmissionQueue, QueueEntry
from forefront.gateway.keys.principal import Principal
from forefront.gateway.ledger.budget_lease import BudgetHold, BudgetRefusal, ReservationRequest
from forefront.gateway.ledger.ledger import Ledger
from forefront.gateway.ledger.pricing import Price
from forefront.gateway.ledger.settlement import LedgerRow
from forefront.gateway.limits.local_reservation import LocalReservation
from forefront.gateway.limits.redis_reservation import RedisReservation
from forefront.gateway.store.database import StoreError
from forefront.observability.request_recorder import RequestRecorder
from forefront.wire.admin.records import CompletionStatus
from forefront.wire.errors import RateLimitState, RequestError

# Errors that end a response from outside: it is charged for its tokens so far.
_ENDED = frozenset({"request_cancelled", "invalid_api_key"})


class LeasedRequest(msgspec.Struct, frozen=True):
    """The request of a lease: the holder of its key, its model, the id of its completion, and its price."""

    principal: Principal
    model: str
    completion_id: str
    price: Price


class Lease:
    """Reserves limits, budgets and a place in the queue for a request, and returns the unused rest.

    `Gateway.admit` makes one for each request and counts the request. Then: `admit` once the size is known; keep the
    counts of tokens, whether they are `estimated`, and `started`, the Unix time of the first token, true; `settle`
    before the client sees the end of the response. A context manager: a lease that is left without being settled is
    settled as aborted or failed, and a `RequestError` that leaves it gets the rate limits.
    """

    def __init__(
        self,
        request: LeasedRequest,
        reservation: LocalReservation | RedisReservation,
        ledger: Ledger,
        queue: AdmissionQueue,
        recorder: RequestRecorder,
    ) -> None:
        self.input_tokens = self.cached_tokens = self.output_tokens = self.reasoning_tokens = 0
        self.started: float | None = None
        self.estimated = False
        self.queue_entry: QueueEntry | None = None
        self.recorder = recorder
        self._request = request
        self._reservation = reservation
        self._ledger = ledger
        self._queue = queue
        self._received = time.time()
        self._hold: BudgetHold | None = None
        self._settled = False
        queue.reserve(request.principal.project.name)

    @property
    def model(self) -> str:
        """The name of the model."""
        return self._request.model

    @property
    def project(self) -> str:
        """The name of the project that pays."""
        return self._request.principal.project.name

    @property
    def completion_id(self) -> str:
        """The id of the completion."""
        return self._request.completion_id

    def rate_limits(self) -> tuple[RateLimitState, ...]:
        """The rate limits of the key and its project, as they are now."""
        return self._reservation.rate_limits()

    def __enter__(self) -> "Lease":
        return self

    def __exit__(self, _kind: type[BaseException] | None, error: BaseException | None, _trace: object) -> None:
        if isinstance(error, Exception) and not (isinstance(error, RequestError) and error.code in _ENDED):
            self.fail(error)
        else:
            self.abandon("aborted")
        if isinstance(error, RequestError):
            error.rate_limits = self.rate_limits()

    async def count(self) -> None:
        """Count a request that generates nothing, with Redis too. Raises `RequestError` like `admit`."""
        await self._reservation.take(0)

    async def admit(self, input_tokens: int, output_tokens: int) -> None:
        """Reserve the most that the request can use of limits and budgets, then wait in the queue for a slot.

        After `switch`, a request that was admitted keeps its slot and its reservation under the limits; the
        reservation of its budgets is replaced.

        Raises `RequestError`: 429 over a limit, 403 for a budget, 503 when the store fails.
        """
        if self.queue_entry is None:
            project, tokens = self._request.principal.project, input_tokens + output_tokens
            await self._reservation.take(tokens)
            await self._reserve_budget(input_tokens, output_tokens)
            self.queue_entry = self._queue.enqueue(project.name, project.weight, tokens)
            self.recorder.enqueued()
            await self.queue_entry.wait()
            self.recorder.admitted()
        else:
            await self._renew_budget(input_tokens, output_tokens)
        self.input_tokens = input_tokens

    def switch(self, model: str, price: Price) -> None:
        """Another model takes over the request, at its own price. `admit` must follow."""
        self._request = msgspec.structs.replace(self._request, model=model, price=price)

    def wait_estimate(self) -> tuple[int, float]:
        """The number of requests ahead in the queue, and their expected seconds."""
        return (0, 0.0) if self.queue_entry is None else self.queue_entry.estimate()

    def end_turn(self, output_tokens: int) -> None:
        """Free the slot of a request whose engine has finished after `output_tokens`, even if they are unread."""
        self.recorder.computed()
        if self.queue_entry is not None:
            self.queue_entry.release(self.input_tokens + output_tokens)

    async def settle(self, status: CompletionStatus, finish_reason: str | None) -> None:
        """Return once the row is in the ledger. Raises `RequestError` 503 when it could not be written."""
        if self._settled:
            return
        row = self._close(status, finish_reason)
        if row is None:
            return
        try:
            await self._ledger.settle(row, self._hold)
        except StoreError:
            text = "The server could not write its ledger, so this answer is withheld and not charged."
            raise RequestError("store_unavailable", text) from None
        await self._reservation.wait_released()

    def fail(self, error: Exception) -> None:
        """Settle a request that has failed, without waiting for the row."""
        self.abandon("failed", error.code if isinstance(error, RequestError) else "internal_error")

    def abandon(self, status: CompletionStatus, error: str | None = None) -> None:
        """Settle an incomplete request, without waiting for the row. `error`: a failure's code."""
        if not self._settled and (row := self._close(status, None, error)) is not None:
            self._ledger.post(row, self._hold)

    async def _renew_budget(self, input_tokens: int, output_tokens: int) -> None:
        if self._hold is not None:
            hold, self._hold = self._hold, None
            self._ledger.release(hold)
        await self._reserve_budget(input_tokens, output_tokens)

    async def _reserve_budget(self, input_tokens: int, output_tokens: int) -> None:
        key, project = self._request.principal.key, self._request.principal.project
        if key.budget is None and project.budget is None:
            return
        cost, tokens = self._request.price.max_cost(input_tokens, output_tokens), input_tokens + output_tokens
        request = ReservationRequest(key.id, project.name, tokens, cost, key.budget, project.budget)
        try:
            hold = await self._ledger.reserve(request)
        except StoreError:
            text = "The server cannot write its ledger at the moment, so it accepts no requests; try again."
            raise RequestError("store_unavailable", text) from None
        if isinstance(hold, BudgetRefusal):
            raise _budget_exceeded(hold)
        self._hold = hold

    def _close(self, status: CompletionStatus, finish_reason: str | None, error: str | None = None) -> LedgerRow | None:
        """Release everything unused. Returns the row for the ledger, unless the request was never admitted."""
        self._settled = True
        used = self.input_tokens + self.output_tokens
        self._reservation.release(used)
        if self.queue_entry is not None:
            self.queue_entry.release(used)
        else:
            self._queue.cancel(self._request.principal.project.name)
        if not self.input_tokens:
            self.recorder.discard(None if error is None else self._row("failed", None), error)
            if self._hold is not None:
                self._ledger.release(self._hold)
            return None
        row = self._row(status, finish_reason)
        self.recorder.finish(row, error)
        return row

    def _row(self, status: CompletionStatus, finish_reason: str | None) -> LedgerRow:
        request, tokens = self._request, (self.input_tokens, self.cached_tokens, self.output_tokens)
        return LedgerRow(
            id=request.completion_id,
            key_id=request.principal.key.id,
            project=request.principal.project.name,
            model=request.model,
            status=status,
            finish_reason=finish_reason,
            input_tokens=self.input_tokens,
            cached_tokens=self.cached_tokens,
            output_tokens=self.output_tokens,
            reasoning_tokens=self.reasoning_tokens,
            estimated=self.estimated,
            cost_nanos=0 if status == "failed" else request.price.cost(*tokens),
            received_at=self._received,
            first_token_at=self.started,
            finished_at=time.time(),
        )


def _budget_exceeded(refusal: BudgetRefusal) -> RequestError:
    period = {"day": "of today", "month": "of this month", "ever": ""}[refusal.period]
    unit = "tokens" if refusal.unit == "tokens" else "units of money"
    text = (
        f"The budget {period} of this {refusal.subject} is {refusal.limit:g} {unit}; {refusal.remaining:g} are left, "
        f"and this request can take {refusal.requested:g}. A smaller `max_tokens` takes less."
    ).replace("  ", " ")
    return RequestError("insufficient_credits", text, retryable=False)
