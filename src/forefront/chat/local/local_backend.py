"""Answers from this machine's engine: plan → admit → run → text."""

import asyncio
import time
from collections.abc import AsyncGenerator, Awaitable, Callable, Iterator
from contextlib import contextmanager
from itertools import groupby
from operator import attrgetter

from forefront.chat.backend import Foresight
from forefront.chat.events import Completed, Event, Started
from forefront.chat.local.batch import Batch
from forefront.chat.local.plan import Plan
from forefront.chat.local.planner import Planner
from forefront.chat.local.timings import Stopwatch
from forefront.chat.meter import Meter
from forefront.engine.engine import Engine, EngineStats
from forefront.engine.errors import ConstraintError, EngineStoppedError, StepFailedError
from forefront.engine.request import GenerateRequest
from forefront.fairness.tenant import Tenant
from forefront.wire.errors import ApiError, shutting_down
from forefront.wire.request import ChatRequest, CompletionRequest

# How long after its last token an engine is taken to work without trying.
_PROBE_AGE = 2.0
# Seconds of work on the event loop after which others have their turn.
_BUSY = 0.005
# No project can have this name.
_PROBE = Tenant("\0probe")


class LocalBackend:
    """The `Backend` of a model that runs in this process."""

    def __init__(self, engine: Engine, planner: Planner) -> None:
        self.context_length = engine.context_limit
        self._engine = engine
        self._planner = planner
        self._probing = asyncio.Lock()

    def chat(self, request: ChatRequest, tenant: Tenant, meter: Meter) -> AsyncGenerator[Event, None]:
        """See `Backend.chat`."""
        return self._answer(lambda: self._planner.chat(request, tenant), meter, request.deadline_ms)

    def complete(self, request: CompletionRequest, tenant: Tenant, meter: Meter) -> AsyncGenerator[Event, None]:
        """See `Backend.complete`."""
        return self._answer(lambda: self._planner.complete(request, tenant), meter, request.deadline_ms)

    async def foresee(self, request: ChatRequest, tenant: Tenant) -> Foresight:
        """See `Backend.foresee`."""
        prompt = await self._planner.prompt(request, tenant)
        with _as_api_errors():
            cached = await self._engine.cached_tokens(prompt.tokens, tenant)
        return Foresight(prompt.text, len(prompt.tokens), cached, request.max_tokens)

    def start(self) -> None:
        """See `Backend.start`."""
        self._engine.start()

    async def probe(self) -> None:
        """See `Backend.probe`. A token that was sampled in the last seconds is proof enough, and one try at a time."""
        async with self._probing:
            if time.monotonic() - self._engine.stats().last_token < _PROBE_AGE:
                return
            generation = self._engine.submit(GenerateRequest([0], 1, tenant=_PROBE))
            try:
                async for _ in generation:
                    pass
            finally:
                generation.cancel()

    async def close(self) -> None:
        """See `Backend.close`."""
        await self._engine.stop()
        await asyncio.to_thread(self._planner.close)

    def stats(self) -> EngineStats:
        """What the engine is doing."""
        return self._engine.stats()

    async def _answer(
        self, make_plan: Callable[[], Awaitable[Plan]], meter: Meter, deadline_ms: int | None
    ) -> AsyncGenerator[Event, None]:
        watch = Stopwatch()
        loop = asyncio.get_running_loop()
        end = None if deadline_ms is None else loop.time() + deadline_ms / 1000
        try:
            async with asyncio.timeout_at(end):
                plan = await make_plan()
                await meter.admit(plan.prompt_tokens, plan.most_tokens)
        except TimeoutError:
            raise ApiError("deadline_exceeded", "The deadline was over before the answer could begin.") from None
        watch.turn()
        with _as_api_errors():
            batch = Batch(self._engine, plan.requests)
        batch.when_computed(lambda: meter.end_turn(batch.sampled))
        timer = None if end is None else loop.call_at(end, batch.leave)
        started, unfinished, rested = False, len(plan.answers), time.monotonic()
        try:
            with _as_api_errors():
                async for tokens in batch:
                    if not started:
                        started = True
                        watch.first()
                        meter.begin(batch.cached_tokens)
                        yield Started(plan.prompt_tokens, batch.cached_tokens, plan.unenforced)
                    for index, own in groupby(sorted(tokens, key=attrgetter("choice")), key=attrgetter("choice")):
                        answer = plan.answers[index]
                        ended = answer.ended
                        for event in answer.events(list(own)):
                            yield event
                            rested = await _rest(rested)
                        unfinished -= answer.ended and not ended
                    if not unfinished:
                        break
        finally:
            if timer is not None:
                timer.cancel()
            meter.output_tokens = await batch.aclose()
            meter.reasoning_tokens = sum(answer.reasoning_tokens for answer in plan.answers)
        if not started:
            yield Started(plan.prompt_tokens, batch.cached_tokens, plan.unenforced)
        # What has not ended by now was cut by the deadline.
        for answer in plan.answers:
            for event in answer.cut():
                yield event
        meter.output_tokens = sum(answer.tokens for answer in plan.answers)
        work = watch.work(plan.requests[0])
        yield Completed(plan.prompt_tokens, meter.output_tokens, batch.cached_tokens, meter.reasoning_tokens, work)


async def _rest(since: float) -> float:
    """Let the event loop do other work if it has not for a while; when it last did."""
    now = time.monotonic()
    if now - since < _BUSY:
        return since
    await asyncio.sleep(0)
    return now


@contextmanager
def _as_api_errors() -> Iterator[None]:
    """The engine's errors as the API's."""
    try:
        yield
    except StepFailedError:
        raise ApiError("engine_failed", "The model failed while it answered this request; try again.") from None
    except ConstraintError:
        text = "The answer could not be held to the form that was asked for: it takes too much to follow."
        raise ApiError("form_failed", text) from None
    except EngineStoppedError:
        raise shutting_down() from None
