"""Token generation by llama.cpp's server: wait for a slot → stream from the child → check → deliver."""

import asyncio
import logging
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import aclosing
from dataclasses import dataclass
from typing import Final, TypeVar

from forefront.engine.backlog import CAPACITY, Backlog
from forefront.engine.engine_stats import EngineStats
from forefront.engine.errors import ContextExceededError, EngineError, EngineStoppedError, StepFailedError
from forefront.engine.generation import Generation
from forefront.engine.request import GenerateRequest
from forefront.fairness.quota import Quota
from forefront.fairness.tenant import Tenant
from forefront.managed_engines.engine_process import Endpoint, EngineProcess
from forefront.managed_engines.llama_cpp.completions import Completions, ContextOverflowError
from forefront.managed_engines.llama_cpp.continuation import AcceptedTokens, Candidate, Continuation, Outcome
from forefront.managed_engines.llama_cpp.hidden_tokens import PieceIndex
from forefront.managed_engines.llama_cpp.slots import SlotPool, SlotUse

log = logging.getLogger(__name__)

T = TypeVar("T")

# Threads for constraints, so that no mask is computed on the event loop.
_CHECK_THREADS: Final = 2


@dataclass(frozen=True, slots=True)
class LlamaCppLimits:
    """`context`: the most tokens of one sequence. `slots`: sequences that run at once. `cache_tokens`: of the KV cache,
    which the slots share. `vocabulary_size`: rows of the output projection."""

    context: int
    slots: int
    cache_tokens: int
    vocabulary_size: int


class LlamaCppEngine:
    """The `TokenEngine` of a running llama.cpp server."""

    takes_predictions = False

    def __init__(self, process: EngineProcess, limits: LlamaCppLimits, pieces: PieceIndex) -> None:
        self.context_limit, self.vocabulary_size = limits.context, limits.vocabulary_size
        self._process, self._limits, self._pieces = process, limits, pieces
        self._unread = Quota(CAPACITY)
        self._checks = ThreadPoolExecutor(_CHECK_THREADS, "forefront-llama-cpp")
        self._tasks: dict[Generation, asyncio.Task[None]] = {}
        # Generations with a slow reader, and their wait.
        self._paused: dict[Generation, asyncio.Event] = {}
        self._stopping = False
        self._loop: asyncio.AbstractEventLoop | None = None
        self._endpoint: Endpoint | None = None
        self._tokens_sampled, self._last_token = 0, 0.0
        self._slots: SlotPool
        self._completions: Completions

    def start(self) -> None:
        """See `TokenEngine.start`."""
        self._loop = asyncio.get_running_loop()
        self._slots, self._completions = SlotPool(self._limits.slots), Completions()

    def submit(self, request: GenerateRequest) -> Generation:
        """See `TokenEngine.submit`."""
        if self._stopping or self._loop is None:
            raise EngineStoppedError("the engine is not running")
        if len(request.prompt) + request.max_tokens > self.context_limit:
            raise ContextExceededError(len(request.prompt), request.max_tokens, self.context_limit)
        if not request.prompt or request.max_tokens < 1 or request.n < 1:
            raise ValueError("a request needs a prompt, a positive max_tokens and a positive n")
        backlog = Backlog(
            self._unread, request.tenant, lambda: self._pause(generation), lambda: self._resume(generation)
        )
        generation = Generation(self._loop, request.n, self._cancel, backlog)
        task = self._loop.create_task(self._generate(generation, request))
        self._tasks[generation] = task
        task.add_done_callback(lambda _: self._forget(generation))
        return generation

    async def cached_tokens(self, prompt: list[int], tenant: Tenant) -> int:
        """See `TokenEngine.cached_tokens`."""
        if self._stopping or self._loop is None:
            raise EngineStoppedError("the engine is not running")
        return self._slots.cached(tenant, prompt)

    async def stop(self) -> None:
        """See `TokenEngine.stop`. Ends the child process."""
        self._stopping = True
        if self._loop is not None:
            self._slots.close()
            tasks = list(self._tasks.values())
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)
            await self._completions.aclose()
        await asyncio.to_thread(self._process.stop)
        self._checks.shutdown(wait=False)

    def stats(self) -> EngineStats:
        """See `TokenEngine.stats`. A block is a token here."""
        started = self._loop is not None
        return EngineStats(
            running=self._slots.running if started else 0,
            waiting=self._slots.waiting if started else 0,
            blocks_held=self._slots.tokens_held if started else 0,
            blocks_total=self._limits.cache_tokens,
            tokens_sampled=self._tokens_sampled,
            preemptions=self._slots.yields if started else 0,
            evictions=0,
            restarts=self._process.restarts,
            last_token=self._last_token,
        )

    def memory_bytes(self) -> int:
        """Resident memory of the child process."""
        return self._process.memory_bytes()

    async def _generate(self, generation: Generation, request: GenerateRequest) -> None:
        """All continuations of a request. The first failure ends the others."""
        members = [Continuation(request, generation, index, self._pieces) for index in range(request.n)]
        try:
            async with asyncio.TaskGroup() as group:
                for member in members:
                    group.create_task(self._continue(member))
        except* EngineError as errors:
            error = errors.exceptions[0]
            if isinstance(error, StepFailedError):
                log.error("a generation failed: %s", error, exc_info=error.__cause__)
            generation.fail(error)
        except* Exception:
            log.exception("a generation of llama.cpp failed")
            generation.fail(StepFailedError("the model failed"))

    async def _continue(self, member: Continuation) -> None:
        """One continuation, in one or several slot uses."""
        await self._in_thread(member, member.start)
        outcome = Outcome.CONTINUES
        while outcome is not Outcome.FINISHED:
            await self._until_read(member.generation)
            sequence = member.sequence
            async with self._slots.use(member.request.tenant, sequence.tokens, alone=member.overflowed) as use:
                try:
                    outcome = await self._in_slot(member, use)
                except ContextOverflowError:
                    if member.overflowed:
                        raise StepFailedError("llama.cpp has no room for one sequence") from None
                    member.overflowed = True

    async def _in_slot(self, member: Continuation, use: SlotUse) -> Outcome:
        """Generate until the end, or until the slot must be left."""
        slot = await use.granted
        endpoint = await self._ready()
        cache = slot.tenant == use.tenant.name
        while not use.yielding and member.generation not in self._paused:
            if member.steps_due:
                outcome = await self._step(member, endpoint, slot.number, cache=cache)
            else:
                outcome = await self._stream(member, endpoint, use, cache=cache)
            if outcome is Outcome.FINISHED:
                return outcome
            cache = True
        return Outcome.CONTINUES

    async def _stream(self, member: Continuation, endpoint: Endpoint, use: SlotUse, *, cache: bool) -> Outcome:
        """Take tokens as llama.cpp samples them, up to the first that the constraint refuses."""
        assert use.slot is not None
        seen, begin = 0, len(member.sequence.tokens)
        body = member.stream_body(use.slot.number, cache=cache)
        async with aclosing(self._completions.stream(endpoint, body)) as stream:
            async for events in stream:
                candidates: list[Candidate] = []
                hidden = 0
                for event in events:
                    if event.prompt_progress is not None:
                        self._note_cached(member, event.prompt_progress.cache)
                    elif event.stop:
                        hidden = event.tokens_predicted - seen
                    elif event.tokens:
                        found = member.candidates(event, seen)
                        if found is None:
                            hidden = event.tokens_predicted - seen
                            break
                        candidates += found
                        seen = event.tokens_predicted
                if candidates:
                    outcome = self._deliver(member, await self._take(member, candidates))
                    if outcome is not Outcome.CONTINUES:
                        return outcome
                if hidden:  # whole answers have the tokens that streams leave out
                    member.steps_due = hidden
                    return Outcome.DIVERGED
                if use.yielding or member.generation in self._paused:
                    return Outcome.CONTINUES
        if len(member.sequence.tokens) == begin:
            raise StepFailedError("llama.cpp's stream ended without a token")
        return Outcome.CONTINUES

    async def _step(self, member: Continuation, endpoint: Endpoint, slot: int, *, cache: bool) -> Outcome:
        """Sample one token among those that the constraint allows."""
        member.steps_due -= 1
        body = await self._in_thread(member, lambda: member.step_body(slot, cache=cache))
        if isinstance(body, Candidate):
            candidates = [body]
        else:
            answer = await self._completions.complete(endpoint, body)
            self._note_cached(member, answer.timings.cache_n)
            candidates = member.step_candidates(answer)
            if not candidates:
                raise StepFailedError("llama.cpp's answer has no token")
        return self._deliver(member, await self._take(member, candidates))

    async def _take(self, member: Continuation, candidates: list[Candidate]) -> AcceptedTokens:
        return await self._in_thread(member, lambda: member.take(candidates))

    async def _in_thread(self, member: Continuation, work: Callable[[], T]) -> T:
        """Run `work` in a thread if it computes a constraint, and raise the constraint's failure."""
        if member.request.constraint is None:
            return work()
        assert self._loop is not None
        result = await self._loop.run_in_executor(self._checks, work)
        if member.sequence.failure is not None:
            raise member.sequence.failure
        return result

    def _deliver(self, member: Continuation, taken: AcceptedTokens) -> Outcome:
        if taken.tokens:
            self._tokens_sampled += len(taken.tokens)
            self._last_token = time.monotonic()
            member.generation.deliver(taken.tokens, last=False)
        return taken.outcome

    @staticmethod
    def _note_cached(member: Continuation, count: int) -> None:
        """The prompt's tokens from the cache are those that the first continuation found there at first."""
        if member.sequence.index == 0 and not member.cache_known:
            member.generation.cached_tokens = count
        member.cache_known = True

    async def _ready(self) -> Endpoint:
        """The address of the server. Waits while it starts. Raises `EngineError`."""
        endpoint = await asyncio.shield(asyncio.wrap_future(self._process.attempt))
        if endpoint != self._endpoint:
            if self._endpoint is not None:
                self._slots.forget()
            self._endpoint = endpoint
        return endpoint

    def _pause(self, generation: Generation) -> None:
        self._paused[generation] = asyncio.Event()

    def _resume(self, generation: Generation) -> None:
        if (event := self._paused.pop(generation, None)) is not None:
            event.set()

    async def _until_read(self, generation: Generation) -> None:
        if (event := self._paused.get(generation)) is not None:
            await event.wait()

    def _cancel(self, generation: Generation) -> None:
        if (task := self._tasks.get(generation)) is not None:
            task.cancel()

    def _forget(self, generation: Generation) -> None:
        """The generation's task has ended."""
        self._tasks.pop(generation, None)
        self._paused.pop(generation, None)
        if self._stopping and not generation.released.done():
            generation.fail(EngineStoppedError("the engine was stopped"))
        generation.release()
