"""The loop around the model: take commands → schedule → forward → sample → commit → deliver.

One thread owns the model, the blocks and all sequences. The event loop sends it commands through a queue and receives
all tokens of a step in one call, so nothing needs a lock.
"""

import asyncio
import logging
import math
import queue
import threading
import time
from collections.abc import Callable
from dataclasses import replace

from forefront.engine.backlog import CAPACITY, Backlog
from forefront.engine.engine_stats import EngineCounters, EngineStats
from forefront.engine.errors import ContextExceededError, EngineStoppedError, StepFailedError
from forefront.engine.forward import ModelRunner, forward
from forefront.engine.generation import Generation, Token
from forefront.engine.kv_blocks.block_pool import BlockPool
from forefront.engine.request import GenerateRequest
from forefront.engine.sampling.mask_worker import MaskWorker
from forefront.engine.sampling.sampler import SamplerInput, SamplerOutput, sample
from forefront.engine.scheduling.drafter import Drafter
from forefront.engine.scheduling.scheduled_chunk import ScheduledChunk, step_size
from forefront.engine.scheduling.scheduler import Scheduler, SchedulerLimits
from forefront.engine.scheduling.sequence import Sequence
from forefront.fairness.quota import Quota
from forefront.fairness.tenant import Tenant

log = logging.getLogger(__name__)

# Logits of one step that score prompt tokens: 32 MiB, and three times as much that OpenVINO keeps beside them.
_SCORED_LOGITS = 2**23


class Engine:
    """Runs any number of generations on one model.

    Call `start` on an event loop, `submit` from that loop, and `stop` at the end. `context_limit`: maximum tokens of
    one sequence, prompt and output: the model's context, or less if the KV cache is smaller. `max_running`: sequences
    that run at once. A `drafter` lets a step sample several tokens of a sequence. `clock`: seconds, to measure steps.
    """

    def __init__(
        self,
        model: ModelRunner,
        limits: SchedulerLimits | None = None,
        drafter: Drafter | None = None,
        clock: Callable[[], float] = time.perf_counter,
    ) -> None:
        self.context_limit = min(model.context_length, model.block_count * model.block_size)
        self.vocabulary_size = model.vocabulary_size
        self._model = model
        scored_tokens = max(_SCORED_LOGITS // model.vocabulary_size, 1)
        self._limits = replace(limits or SchedulerLimits(), scored_tokens=scored_tokens)
        self.max_running = self._limits.max_running
        self._drafter = drafter
        self.takes_predictions = drafter is not None
        self._clock = clock
        # Kept over restarts, as the model's speed is.
        self._step_budget = self._limits.step_budget()
        self._scheduler = self._create_scheduler()
        self._commands: queue.SimpleQueue[Callable[[], None]] = queue.SimpleQueue()
        self._live: dict[Generation, set[Sequence]] = {}
        self._paused: set[Generation] = set()
        self._unread = Quota(CAPACITY)
        self._mask_worker = MaskWorker()
        self._stopping = False
        self._counters = EngineCounters()
        self._thread = threading.Thread(target=self._work, name="forefront-engine", daemon=True)
        self._loop: asyncio.AbstractEventLoop | None = None

    def start(self) -> None:
        """Start the thread. Results go to the running event loop."""
        self._loop = asyncio.get_running_loop()
        self._thread.start()

    def submit(self, request: GenerateRequest) -> Generation:
        """Queue a request. Raises `ContextExceededError` if it can never fit, and `EngineStoppedError`."""
        if self._stopping or self._loop is None:
            raise EngineStoppedError("the engine is not running")
        if len(request.prompt) + request.max_tokens > self.context_limit:
            raise ContextExceededError(len(request.prompt), request.max_tokens, self.context_limit)
        if not request.prompt or request.max_tokens < 1 or request.n < 1:
            raise ValueError("a request needs a prompt, a positive max_tokens and a positive n")
        if request.constraint is not None and not request.stop_tokens:
            raise ValueError("a constraint needs a stop token, which ends the output")
        backlog = Backlog(
            self._unread,
            request.tenant,
            lambda: self._commands.put(lambda: self._pause(generation)),
            lambda: self._commands.put(lambda: self._resume(generation)),
        )
        generation = Generation(self._loop, request.num_continuations, self._cancel, backlog)
        if request.prompt_logprobs is not None:
            generation.prompt_scores.append(Token(0, request.prompt[0], None, math.nan))
        self._commands.put(lambda: self._accept(generation, request))
        return generation

    async def cached_tokens(self, prompt: list[int], tenant: Tenant) -> int:
        """The number of a prompt's tokens that are cached now. Raises `EngineStoppedError`."""
        if self._stopping or self._loop is None:
            raise EngineStoppedError("the engine is not running")
        result: asyncio.Future[int] = self._loop.create_future()

        def look_up() -> None:
            count = self._scheduler.cached_tokens(prompt, tenant)
            self._on_loop(lambda: None if result.done() else result.set_result(count))

        self._commands.put(look_up)
        return await result

    async def stop(self) -> None:
        """End the thread after its present step. Unfinished generations raise `EngineStoppedError`."""
        self._stopping = True
        self._commands.put(lambda: None)
        if self._thread.ident is not None:
            await asyncio.to_thread(self._thread.join)

    def stats(self) -> EngineStats:
        """A snapshot, at most a step old. Callable from any thread."""
        return self._counters.stats(self._scheduler)

    def _work(self) -> None:
        while not self._stopping:
            try:
                self._take_commands()
                self._step()
                self._counters.steps += 1
            except Exception:
                log.exception("a step failed: all generations end with an error, and the engine restarts")
                self._restart()
                self._fail(dict.fromkeys(self._live, StepFailedError("the model failed")))
        self._commands.put(lambda: None)
        self._take_commands()  # the last requests end with the same error
        self._fail(dict.fromkeys(self._live, EngineStoppedError("the engine was stopped")))
        self._mask_worker.stop()

    def _restart(self) -> None:
        """Replace all state that the failure may have left inconsistent. A model that cannot be restarted fails again
        at its next step, which restarts it again."""
        self._counters.restarted(self._scheduler)
        self._scheduler = self._create_scheduler()
        try:
            self._model.restart()
        except Exception:
            log.exception("the model could not be restarted; the next request tries again")

    def _create_scheduler(self) -> Scheduler:
        pool = BlockPool(self._model.block_count, self._model.block_size)
        return Scheduler(pool, self._limits, self._drafter, self._step_budget)

    def _take_commands(self) -> None:
        """Run the commands since the last step. Waits for one when there is nothing else to do."""
        if not self._scheduler.running and not self._scheduler.waiting_count:
            self._commands.get()()
        while True:
            try:
                command = self._commands.get_nowait()
            except queue.Empty:
                return
            command()

    def _accept(self, generation: Generation, request: GenerateRequest) -> None:
        if request.resumed:
            # Each precedes those before it.
            sequences = [Sequence.resume(request, generation, resumed) for resumed in reversed(request.resumed)]
        else:
            sequences = [Sequence(request, generation, 0)]
        self._live[generation] = set(sequences)
        for sequence in sequences:
            self._scheduler.add(sequence)

    def _pause(self, generation: Generation) -> None:
        """Suspend a generation with a slow reader until `_resume`."""
        if generation in self._live:
            self._paused.add(generation)
            for sequence in self._live[generation]:
                self._scheduler.suspend(sequence)

    def _resume(self, generation: Generation) -> None:
        if generation in self._paused:
            self._paused.remove(generation)
            # The oldest comes first again.
            for sequence in sorted(self._live[generation], key=lambda sequence: -sequence.index):
                self._scheduler.resume(sequence)

    def _cancel(self, generation: Generation) -> None:
        def drop() -> None:
            self._drop(generation)
            self._on_loop(generation.release)

        self._commands.put(drop)

    def _drop(self, generation: Generation) -> None:
        self._paused.discard(generation)
        for sequence in self._live.pop(generation, ()):
            self._scheduler.remove(sequence)

    def _step(self) -> None:
        begin = self._clock()
        chunks = self._scheduler.schedule()
        if not chunks:
            return
        size = step_size(chunks)
        sampled = [chunk for chunk in chunks if chunk.samples]
        self._create_followers(sampled)
        masks = self._mask_worker.start(sampled)
        logits, rows = forward(self._model, chunks)
        members = self._with_followers(sampled, rows)
        its_masks = masks()
        inputs = [SamplerInput(sequence, row, draft, its_masks.get(sequence, ())) for sequence, row, draft in members]
        outputs = sample(inputs, logits) if inputs else []
        accepted = {output.sequence: output.num_accepted for output in outputs if output.num_accepted}
        for chunk in chunks:
            num_accepted = accepted.get(chunk.sequence, 0)
            self._scheduler.commit(chunk, num_accepted)
            if chunk.draft:
                self._counters.drafted(len(chunk.draft), num_accepted)
        self._deliver(outputs)
        self._fail({sequence.generation: sequence.failure for sequence, _, _ in members if sequence.failure})
        self._step_budget.record(size, self._clock() - begin)

    def _create_followers(self, sampled: list[ScheduledChunk]) -> None:
        """Create the other continuations of prompts whose first token is due."""
        for sequence, _, _ in sampled:
            request = sequence.request
            if request.n > 1 and sequence.index == 0 and sequence.num_output_tokens == 0 and not request.resumed:
                self._live[sequence.generation].update(sequence.create_followers())

    def _with_followers(
        self, sampled: list[ScheduledChunk], rows: list[int]
    ) -> list[tuple[Sequence, int, tuple[int, ...]]]:
        """The sequences to sample, each with its first row and its draft. Followers share their leader's row."""
        members: list[tuple[Sequence, int, tuple[int, ...]]] = []
        for row, (sequence, _, draft) in zip(rows, sampled, strict=True):
            members.append((sequence, row, draft))
            followers, sequence.followers = sequence.followers, []
            for follower in followers:
                copy = self._scheduler.fork(sequence, follower)
                if copy is None:
                    continue
                if copy != (0, 0):
                    self._model.copy_block(*copy)
                members.append((follower, row, draft))
        return members

    def _deliver(self, outputs: list[SamplerOutput]) -> None:
        """Hand the step's tokens to their generations, and release what has finished."""
        arrived: dict[Generation, list[Token]] = {}
        for sequence, tokens, _ in outputs:
            if not tokens:
                continue
            generation = sequence.generation
            self._counters.tokens_sampled += len(tokens)
            if generation.prompt_scores and sequence.num_output_tokens == 1:
                tokens[0] = tokens[0]._replace(prompt=tuple(generation.prompt_scores))
            arrived.setdefault(generation, []).extend(tokens)
            if tokens[-1].finish:
                self._scheduler.remove(sequence)
                self._live[generation].remove(sequence)
        if not arrived:
            return
        ended = {generation for generation in arrived if not self._live[generation]}
        for generation in ended:
            del self._live[generation]
        self._counters.last_token = time.monotonic()

        def hand_over() -> None:
            for generation, its_tokens in arrived.items():
                generation.deliver(its_tokens, last=generation in ended)

        self._on_loop(hand_over)

    def _fail(self, errors: dict[Generation, Exception]) -> None:
        """End generations with an error each. All others, and the engine itself, continue."""
        if not errors:
            return
        for generation in errors:
            self._drop(generation)

        def hand_over() -> None:
            for generation, error in errors.items():
                generation.fail(error)

        self._on_loop(hand_over)

    def _on_loop(self, call: Callable[[], object]) -> None:
        assert self._loop is not None
        try:
            self._loop.call_soon_threadsafe(call)
        except RuntimeError:  # the loop is closed: no reader is left
            self._stopping = True
