"""The loop around the model: take commands → schedule → run → sample → deliver.

One thread owns the model, the blocks and every sequence. The event loop sends it commands through a queue and gets
all tokens of a step in one hand-over, so there is nothing to lock.
"""

import asyncio
import logging
import math
import queue
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass, replace

from forefront.engine.backlog import CAPACITY, Backlog
from forefront.engine.errors import ContextExceededError, EngineStoppedError, StepFailedError
from forefront.engine.generation import Generation, Token
from forefront.engine.model.forward import Model, forward
from forefront.engine.request import GenerateRequest
from forefront.engine.sampling.mask_worker import MaskWorker
from forefront.engine.sampling.sampler import sample
from forefront.engine.scheduling.block_pool import BlockPool
from forefront.engine.scheduling.scheduler import Limits, Scheduler
from forefront.engine.scheduling.sequence import Sequence
from forefront.fairness.quota import Quota
from forefront.fairness.tenant import Tenant

log = logging.getLogger(__name__)

# Logits of one step for scores of prompts: 32 MiB, and three times as much that OpenVINO keeps beside them.
_SCORED_LOGITS = 2**23


@dataclass(frozen=True, slots=True)
class EngineStats:
    """What the engine is doing. `last_token` is a `time.monotonic()`, 0 for none yet; the rest are counts."""

    running: int
    waiting: int
    blocks_held: int
    blocks_total: int
    tokens_sampled: int
    preemptions: int
    evictions: int
    restarts: int
    last_token: float


class Engine:
    """Runs any number of generations on one model.

    `start` on an event loop, `submit` from that loop, `stop` when done. `context_limit` is the longest prompt plus
    answer, in tokens, that one sequence can have: the model's context, or less where the KV cache is smaller.
    """

    def __init__(self, model: Model, limits: Limits | None = None) -> None:
        self.context_limit = min(model.context_length, model.block_count * model.block_size)
        self.vocabulary_size = model.vocabulary_size
        self._model = model
        scored = max(_SCORED_LOGITS // model.vocabulary_size, 1)
        self._limits = replace(limits or Limits(), scored=scored)
        self._scheduler = self._empty_scheduler()
        self._commands: queue.SimpleQueue[Callable[[], None]] = queue.SimpleQueue()
        self._live: dict[Generation, set[Sequence]] = {}
        self._paused: set[Generation] = set()
        self._unread = Quota(CAPACITY)
        self._masks = MaskWorker()
        self._stopping = False
        self._tokens_sampled = self._restarts = self._preemptions = self._evictions = 0
        self._last_token = 0.0
        self._thread = threading.Thread(target=self._work, name="forefront-engine", daemon=True)
        self._loop: asyncio.AbstractEventLoop | None = None

    def start(self) -> None:
        """Start the thread; results go to the running event loop."""
        self._loop = asyncio.get_running_loop()
        self._thread.start()

    def submit(self, request: GenerateRequest) -> Generation:
        """Queue a request. Raises `ContextExceededError` for one that could never fit, and `EngineStoppedError`."""
        if self._stopping or self._loop is None:
            raise EngineStoppedError("the engine is not running")
        if len(request.prompt) + request.max_tokens > self.context_limit:
            raise ContextExceededError(len(request.prompt), request.max_tokens, self.context_limit)
        if not request.prompt or request.max_tokens < 1 or request.n < 1:
            raise ValueError("a request needs a prompt, a positive max_tokens and a positive n")
        if request.constraint is not None and not request.stop_tokens:
            raise ValueError("a constraint needs a stop token, with which the answer can end")
        backlog = Backlog(
            self._unread,
            request.tenant,
            lambda: self._commands.put(lambda: self._pause(generation)),
            lambda: self._commands.put(lambda: self._resume(generation)),
        )
        generation = Generation(self._loop, request.n, self._cancel, backlog)
        if request.prompt_logprobs is not None:
            generation.prompt_scores.append(Token(0, request.prompt[0], None, math.nan))
        self._commands.put(lambda: self._accept(generation, request))
        return generation

    async def cached_tokens(self, prompt: list[int], tenant: Tenant) -> int:
        """How many tokens of a prompt are in the cache now. Raises `EngineStoppedError`."""
        if self._stopping or self._loop is None:
            raise EngineStoppedError("the engine is not running")
        found: asyncio.Future[int] = self._loop.create_future()

        def look() -> None:
            count = self._scheduler.cached_tokens(prompt, tenant)
            self._on_loop(lambda: None if found.done() else found.set_result(count))

        self._commands.put(look)
        return await found

    async def stop(self) -> None:
        """End the thread after the step it is in; generations that have not ended raise `EngineStoppedError`."""
        self._stopping = True
        self._commands.put(lambda: None)
        if self._thread.ident is not None:
            await asyncio.to_thread(self._thread.join)

    def stats(self) -> EngineStats:
        """A snapshot; may be taken from any thread, and is at most a step old."""
        scheduler = self._scheduler
        return EngineStats(
            running=len(scheduler.running),
            waiting=scheduler.waiting_count,
            blocks_held=scheduler.pool.held,
            blocks_total=scheduler.pool.count,
            tokens_sampled=self._tokens_sampled,
            preemptions=self._preemptions + scheduler.preemptions,
            evictions=self._evictions + scheduler.pool.evictions,
            restarts=self._restarts,
            last_token=self._last_token,
        )

    def _work(self) -> None:
        while not self._stopping:
            try:
                self._take_commands()
                self._step()
            except Exception:
                log.exception("a step of the engine failed; its generations end with an error, and it begins anew")
                self._restart()
                self._fail(dict.fromkeys(self._live, StepFailedError("the model failed")))
        self._commands.put(lambda: None)
        self._take_commands()  # what was submitted in the last moment is told of the end, too
        self._fail(dict.fromkeys(self._live, EngineStoppedError("the engine was stopped")))
        self._masks.stop()

    def _restart(self) -> None:
        """Nothing that a failure may have left half done is used again. A model that cannot be restarted now fails at
        its next step, and is then tried again."""
        self._preemptions += self._scheduler.preemptions
        self._evictions += self._scheduler.pool.evictions
        self._scheduler = self._empty_scheduler()
        self._restarts += 1
        try:
            self._model.restart()
        except Exception:
            log.exception("the model could not be restarted; the next request tries again")

    def _empty_scheduler(self) -> Scheduler:
        return Scheduler(BlockPool(self._model.block_count, self._model.block_size), self._limits)

    def _take_commands(self) -> None:
        """Carry out the commands since the last step; waits for one when there is nothing to run."""
        if not self._scheduler.running and not self._scheduler.waiting_count:
            self._commands.get()()
        while True:
            try:
                command = self._commands.get_nowait()
            except queue.Empty:
                return
            command()

    def _accept(self, generation: Generation, request: GenerateRequest) -> None:
        leader = Sequence(request, generation, 0)
        self._live[generation] = {leader}
        self._scheduler.add(leader)

    def _pause(self, generation: Generation) -> None:
        """Its reader is far behind: it gives its slots and blocks to others until `_resume`."""
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
        def carry_out() -> None:
            self._drop(generation)
            self._on_loop(generation.release)

        self._commands.put(carry_out)

    def _drop(self, generation: Generation) -> None:
        self._paused.discard(generation)
        for sequence in self._live.pop(generation, ()):
            self._scheduler.remove(sequence)

    def _step(self) -> None:
        chunks = self._scheduler.schedule()
        if not chunks:
            return
        sampling = [chunk.sequence for chunk in chunks if chunk.samples]
        for sequence in sampling:
            if sequence.index == 0 and sequence.answer_length == 0 and sequence.request.n > 1:
                self._live[sequence.generation].update(sequence.make_followers())
        masks = self._masks.start(sampling)
        logits, due = forward(self._model, chunks)
        self._scheduler.computed(chunks)
        sequences, rows = self._with_followers(sampling, due)
        self._deliver(sample(sequences, rows, logits, masks()))
        self._fail({sequence.generation: sequence.failure for sequence in sequences if sequence.failure})

    def _with_followers(self, sampling: list[Sequence], due: list[int]) -> tuple[list[Sequence], list[int]]:
        """The sequences to sample and their rows. Followers of a prompt that is now computed draw from its row."""
        sequences: list[Sequence] = []
        rows: list[int] = []
        for row, sequence in zip(due, sampling, strict=True):
            followers, sequence.followers = sequence.followers, []
            for member in [sequence, *followers]:
                if member is not sequence:
                    copied = self._scheduler.fork(sequence, member)
                    if copied is None:
                        continue
                    if copied != (0, 0):
                        self._model.copy_block(*copied)
                sequences.append(member)
                rows.append(row)
        return sequences, rows

    def _deliver(self, tokens: list[tuple[Sequence, Token]]) -> None:
        """Hand the step's tokens to their generations, and let go of what has finished."""
        arrived: dict[Generation, list[Token]] = {}
        for sequence, token in tokens:
            sampled = token.token == sequence.tokens[-1]
            if sampled and sequence.answer_length == 1 and sequence.generation.prompt_scores:
                token = token._replace(prompt=tuple(sequence.generation.prompt_scores))
            arrived.setdefault(sequence.generation, []).append(token)
            if token.finish:
                self._scheduler.remove(sequence)
                self._live[sequence.generation].remove(sequence)
        if not arrived:
            return
        ended = {generation for generation in arrived if not self._live[generation]}
        for generation in ended:
            del self._live[generation]
        self._tokens_sampled += len(tokens)
        self._last_token = time.monotonic()

        def hand_over() -> None:
            for generation, its_tokens in arrived.items():
                generation.deliver(its_tokens, last=generation in ended)

        self._on_loop(hand_over)

    def _fail(self, errors: dict[Generation, Exception]) -> None:
        """End generations with an error each; all others, and the engine itself, go on."""
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
        except RuntimeError:  # the loop has been closed: nobody is left to be told
            self._stopping = True
