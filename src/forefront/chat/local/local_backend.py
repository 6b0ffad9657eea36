"""The backend of a model that runs in this process: prepare → submit to the engine → events."""

import asyncio
import time
from collections.abc import AsyncGenerator, Callable, Iterator, Sequence
from contextlib import contextmanager
from itertools import groupby
from operator import attrgetter

from forefront.chat.backend import PromptPreview, Run, RunUsage, TokenizedText
from forefront.chat.events import ChoiceEnd, Completed, Event, RunReport, Started
from forefront.chat.local.batch import Batch
from forefront.chat.local.preparation import PreparedGeneration, RequestPreparer
from forefront.chat.local.sampling import effective_sampling
from forefront.chat.local.token_engine import TokenEngine
from forefront.chat.output.choice_decoder import ChoiceDecoder
from forefront.engine.engine_stats import EngineStats
from forefront.engine.errors import ConstraintError, EngineStoppedError, EngineUnavailableError, StepFailedError
from forefront.engine.generation import Token
from forefront.engine.request import GenerateRequest
from forefront.fairness.tenant import Tenant
from forefront.fairness.time_slice import yield_to_event_loop
from forefront.wire.completions.request import ChatRequest, CompletionRequest, SampledRequest
from forefront.wire.errors import RequestError, shutting_down
from forefront.wire.tokens import TokenizeRequest

# A token sampled within this many seconds proves that the engine works.
_PROBE_AGE = 2.0
# No project can have this name.
_PROBE_TENANT = Tenant("\0probe")


class LocalBackend:
    """The `Backend` of this process' engine. `free` frees the model's memory, once the engine has stopped."""

    def __init__(self, engine: TokenEngine, preparer: RequestPreparer, free: Callable[[], None] = lambda: None) -> None:
        self.context_length = engine.context_limit
        self._engine = engine
        self._preparer = preparer
        self._free = free
        self._probe_lock = asyncio.Lock()

    @property
    def takes_messages(self) -> bool:
        """Whether the model has a chat template."""
        return self._preparer.takes_messages

    async def prepare(self, request: ChatRequest | CompletionRequest, tenant: Tenant) -> PreparedGeneration:
        """See `Backend.prepare`."""
        if isinstance(request, ChatRequest):
            return await self._preparer.chat(request, tenant)
        return await self._preparer.completion(request, tenant)

    def run(self, prepared: PreparedGeneration, deadline: float | None = None) -> Run:
        """See `Backend.run`."""
        usage, computed = RunUsage(), asyncio.get_running_loop().create_future()
        return Run(self._events(prepared, deadline, usage, computed), usage, computed)

    async def preview(self, request: ChatRequest, tenant: Tenant) -> PromptPreview:
        """See `Backend.preview`."""
        prompt = await self._preparer.prompt(request, tenant)
        with _engine_errors():
            cached = await self._engine.cached_tokens(prompt.tokens, tenant)
        return PromptPreview(prompt.text, len(prompt.tokens), cached, request.max_tokens)

    async def tokenize(self, request: TokenizeRequest, tenant: Tenant) -> TokenizedText:
        """See `Backend.tokenize`."""
        return await self._preparer.tokenize(request, tenant)

    async def detokenize(self, tokens: Sequence[int], tenant: Tenant) -> str:
        """See `Backend.detokenize`."""
        return await self._preparer.detokenize(tokens, tenant)

    def ignored(self, request: SampledRequest) -> tuple[str, ...]:
        """See `Backend.ignored`."""
        return self._preparer.ignored(request) if isinstance(request, ChatRequest) else ()

    def start(self) -> None:
        """See `Backend.start`."""
        self._engine.start()

    async def probe(self) -> None:
        """See `Backend.probe`. At most one attempt runs, and none is needed when a token has just been sampled."""
        async with self._probe_lock:
            if time.monotonic() - self._engine.stats().last_token < _PROBE_AGE:
                return
            generation = self._engine.submit(GenerateRequest([0], 1, tenant=_PROBE_TENANT))
            try:
                async for _ in generation:
                    pass
            finally:
                generation.cancel()

    async def close(self) -> None:
        """See `Backend.close`."""
        await self._engine.stop()
        await asyncio.to_thread(self._preparer.close)
        free, self._free = self._free, lambda: None
        await asyncio.to_thread(free)

    def stats(self) -> EngineStats:
        """See `Backend.stats`."""
        return self._engine.stats()

    async def _events(
        self, prepared: PreparedGeneration, deadline: float | None, usage: RunUsage, computed: asyncio.Future[int]
    ) -> AsyncGenerator[Event, None]:
        begin = first = rested = time.monotonic()
        unfinished = len(prepared.answers)
        with _engine_errors():
            batch = Batch(self._engine, prepared.requests)
        batch.when_computed(lambda: computed.set_result(batch.sampled))
        timer = None if deadline is None else asyncio.get_running_loop().call_at(deadline, batch.leave)
        try:
            with _engine_errors():
                async for tokens in batch:
                    if usage.started is None:
                        usage.started, first = time.time(), time.monotonic()
                        yield Started(prepared.prompt_tokens, batch.cached_tokens, batch.fingerprint)
                    for event in _decode(prepared.answers, tokens):
                        unfinished -= isinstance(event, ChoiceEnd)
                        yield event
                        rested = await yield_to_event_loop(rested)
                    if not unfinished:
                        break
        finally:
            if timer is not None:
                timer.cancel()
            usage.output_tokens = await batch.aclose()
            usage.cached_tokens = batch.cached_tokens
            usage.reasoning_tokens = sum(answer.reasoning_tokens for answer in prepared.answers)
        if usage.started is None:
            yield Started(prepared.prompt_tokens, usage.cached_tokens)
        for answer in prepared.answers:  # only choices truncated by the deadline still need an end
            for event in answer.cut():
                yield event
        usage.output_tokens = sum(answer.tokens for answer in prepared.answers)
        waited, prefill, decode = begin - prepared.received, first - begin, time.monotonic() - first
        report = RunReport(effective_sampling(prepared.requests[0]), waited, prefill, decode, moves=batch.moves)
        counts = usage.output_tokens, usage.cached_tokens, usage.reasoning_tokens
        yield Completed(prepared.prompt_tokens, *counts, report, _predicted(prepared, batch.predicted))


def _predicted(prepared: PreparedGeneration, counts: tuple[int, int]) -> tuple[int, int] | None:
    """The accepted and rejected tokens of a request's prediction, None without one. Tokens that the engine sampled
    before it learned of a stop are no part of the answer."""
    if not prepared.predicted:
        return None
    accepted, rejected = counts
    return min(accepted, sum(answer.tokens for answer in prepared.answers)), rejected


def _decode(answers: Sequence[ChoiceDecoder], tokens: Sequence[Token]) -> Iterator[Event]:
    """The events of new tokens, choice by choice. Tokens sampled beyond the end of a choice add nothing."""
    choice = attrgetter("choice")
    for index, group in groupby(sorted(tokens, key=choice), key=choice):
        if not answers[index].ended:
            yield from answers[index].events(list(group))


@contextmanager
def _engine_errors() -> Iterator[None]:
    """Raise the engine's errors as `RequestError`."""
    try:
        yield
    except StepFailedError:
        raise RequestError("engine_failed", "The model failed while it answered this request; try again.") from None
    except ConstraintError:
        text = "The constraint of this answer could not be followed within its limits of time and memory."
        raise RequestError("form_failed", text) from None
    except EngineUnavailableError as error:
        text = "The model's engine restarts after a failure; try again."
        raise RequestError("not_ready", text, retry_after=error.retry_after) from None
    except EngineStoppedError:
        raise shutting_down() from None
