"""The loop around an embedding model: take sequences in the tenants' turns → batch → forward → deliver."""

import asyncio
import logging
import threading
import time
from collections.abc import Sequence
from typing import Final, NamedTuple, Protocol

from forefront.engine.embedding.batch_size import max_sequences, padded_length
from forefront.engine.embedding.embedding_graph import Floats
from forefront.engine.embedding.embedding_model import EmbeddingInput
from forefront.engine.engine_stats import EngineStats
from forefront.engine.errors import EngineStoppedError, StepFailedError
from forefront.fairness.fair_queue import FairQueue
from forefront.fairness.tenant import Tenant

_log = logging.getLogger(__name__)

# Tokens taken from the queue per round, sorted by length so that batches have little padding.
_ROUND_TOKENS: Final = 8192
_NO_LIMIT: Final = 2**31
# Sequences that are taken while the event loop may wait for the lock, less than a millisecond, and the seconds between.
_PORTION: Final = 256
_PAUSE: Final = 0.0001


class EmbeddingRunner(Protocol):
    """The interface of a model to the engine: `EmbeddingModel`, or a part of one in tests."""

    def run(self, batch: Sequence[EmbeddingInput]) -> Floats: ...
    def close(self) -> None: ...


class EmbeddingJob:
    """The sequences of one request. `vectors` resolves to one vector for each, in order."""

    def __init__(self, inputs: Sequence[EmbeddingInput], tenant: Tenant, loop: asyncio.AbstractEventLoop) -> None:
        self.inputs = inputs
        self.tenant = tenant
        self.vectors: asyncio.Future[list[Floats]] = loop.create_future()
        self.computed_tokens = 0
        self.started: float | None = None
        self.results: list[Floats | None] = [None] * len(inputs)
        self.unfinished = len(inputs)


class _Item(NamedTuple):
    """One sequence of a job: a tuple, since the queue hashes thousands of them on the event loop."""

    job: EmbeddingJob
    place: int

    @property
    def input(self) -> EmbeddingInput:
        return self.job.inputs[self.place]


class EmbeddingEngine:
    """Computes vectors on one model, on its own thread. Tenants take turns by tokens and weight.

    Call `start` on an event loop, `submit` from that loop, and `stop` at the end.
    """

    def __init__(self, model: EmbeddingRunner) -> None:
        self._model = model
        self._queue: FairQueue[_Item] = FairQueue(_NO_LIMIT, _NO_LIMIT)
        self._changed = threading.Condition()
        self._stopping = False
        self._loop: asyncio.AbstractEventLoop | None = None
        self._jobs: set[EmbeddingJob] = set()
        self._tokens = 0
        self._last_pass = 0.0
        self._passes = 0
        self._thread = threading.Thread(target=self._work, name="forefront-embeddings", daemon=True)

    def start(self) -> None:
        """Start the thread. Results go to the running event loop."""
        self._loop = asyncio.get_running_loop()
        self._thread.start()

    def submit(self, inputs: Sequence[EmbeddingInput], tenant: Tenant) -> EmbeddingJob:
        """Queue the sequences of a request, each with at least one token. Raises `EngineStoppedError`."""
        if self._stopping or self._loop is None:
            raise EngineStoppedError("the engine is not running")
        job = EmbeddingJob(inputs, tenant, self._loop)
        self._jobs.add(job)
        job.vectors.add_done_callback(lambda _: self._jobs.discard(job))
        with self._changed:
            for index, entry in enumerate(inputs):
                self._queue.add(tenant.name, tenant.weight, _Item(job, index), len(entry.tokens))
            self._changed.notify()
        return job

    async def vectors(self, inputs: Sequence[EmbeddingInput], tenant: Tenant) -> list[Floats]:
        """One vector for each sequence, in order. Cancelling it drops the sequences that have not begun. Raises
        `EngineError`."""
        job = self.submit(inputs, tenant)
        try:
            return await job.vectors
        finally:
            self.cancel(job)

    def cancel(self, job: EmbeddingJob) -> None:
        """Drop the sequences of a job that have not begun."""
        job.vectors.cancel()
        with self._changed:
            for index, result in enumerate(job.results):
                if result is None:
                    self._queue.remove(job.tenant.name, _Item(job, index))

    def stats(self) -> EngineStats:
        """The load in sequences and the tokens that have been read."""
        with self._changed:
            running, waiting = self._queue.running, self._queue.waiting
        return EngineStats(running, waiting, 0, 0, self._tokens, 0, 0, 0, self._last_pass, steps=self._passes)

    async def stop(self) -> None:
        """End the thread. Unfinished jobs raise `EngineStoppedError`."""
        with self._changed:
            self._stopping = True
            self._changed.notify()
        if self._thread.is_alive():
            await asyncio.to_thread(self._thread.join)
        for job in list(self._jobs):
            _fail(job, EngineStoppedError("the engine was stopped"))
        self._model.close()

    def _work(self) -> None:
        while (items := self._take()) is not None:
            for batch in _batches(items):
                if self._stopping:
                    return
                self._run(batch)

    def _take(self) -> list[_Item] | None:
        """The sequences of the next round; None once the engine stops."""
        with self._changed:
            self._changed.wait_for(lambda: self._stopping or self._queue.waiting)
        items: list[_Item] = []
        tokens = 0
        while not self._stopping and tokens < _ROUND_TOKENS:
            portion = self._take_portion(_ROUND_TOKENS - tokens)
            items += portion
            tokens += sum(len(item.input.tokens) for item in portion)
            if len(portion) < _PORTION:
                return items
            time.sleep(_PAUSE)  # else this thread would mostly get the lock again before the event loop
        return None if self._stopping else items

    def _take_portion(self, most: int) -> list[_Item]:
        """Up to `_PORTION` sequences, until they have `most` tokens."""
        with self._changed:
            items: list[_Item] = []
            while most > 0 and len(items) < _PORTION and (item := self._queue.start_next()) is not None:
                items.append(item)
                most -= len(item.input.tokens)
            return items

    def _run(self, batch: list[_Item]) -> None:
        wanted = [item for item in batch if not item.job.vectors.done()]
        now = time.time()
        for item in wanted:
            item.job.started = item.job.started or now
        try:
            vectors = list(self._model.run([item.input for item in wanted])) if wanted else []
            error = None
        except Exception as failure:
            _log.exception("a batch of %d sequences failed", len(wanted))
            vectors, error = [], failure
        self._last_pass = time.monotonic()
        self._passes += 1
        with self._changed:
            for item in batch:
                tokens = len(item.input.tokens)
                self._queue.finish(item.job.tenant.name, item, tokens, tokens)
        assert self._loop is not None
        try:
            self._loop.call_soon_threadsafe(self._deliver, wanted, vectors, error)
        except RuntimeError:
            return  # the loop has been closed

    def _deliver(self, items: list[_Item], vectors: Sequence[Floats], error: Exception | None) -> None:
        if error is not None:
            for item in items:
                _fail(item.job, StepFailedError("the model failed"))
            return
        for item, vector in zip(items, vectors, strict=True):
            job, tokens = item.job, len(item.input.tokens)
            self._tokens += tokens
            job.computed_tokens += tokens
            job.results[item.place] = vector
            job.unfinished -= 1
            if not job.unfinished and not job.vectors.done():
                job.vectors.set_result([result for result in job.results if result is not None])


def _batches(items: list[_Item]) -> list[list[_Item]]:
    """Sequences of similar length, in batches of bounded size; padding counts."""
    batches: list[list[_Item]] = []
    length = 0
    for item in sorted(items, key=lambda item: len(item.input.tokens), reverse=True):
        size = len(batches[-1]) + 1 if batches else 0
        if not batches or size > max_sequences(length):
            batches.append([])
            length = padded_length(len(item.input.tokens))
        batches[-1].append(item)
    return batches


def _fail(job: EmbeddingJob, error: Exception) -> None:
    if not job.vectors.done():
        job.vectors.set_exception(error)
