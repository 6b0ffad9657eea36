"""A replica in the model: the engine's steps as rates, and its real KV block pool.

Between two events (a prompt computed, an answer ended, an arrival) the steps of an engine have a constant duration, so
that prefill and all decodes progress at constant rates. An event costs logarithmic time in the running sequences.
"""

import heapq
from collections import deque
from collections.abc import Sequence

import simpy

from forefront.cluster.routing.replica_state import ReplicaLoad, ReplicaState
from forefront.cluster.routing.router import Placement
from forefront.engine.kv_blocks.block_pool import BlockPool
from simulation.service_times import ServiceTimes

BLOCK_SIZE = 32


class ReplicaFailedError(Exception):
    """The replica has died, or was silent for too long."""


class Run:
    """A generation at a replica: `prompt` tokens to compute or find, then `output` to sample.

    `keys` are those of the blocks of both. `first_token` and `ended` fail with `ReplicaFailedError`.
    """

    __slots__ = ("blocks", "cached", "end_at", "ended", "first_token", "keys", "output", "placement", "prompt")

    def __init__(
        self, env: simpy.Environment, placement: Placement, keys: Sequence[bytes], prompt: int, output: int
    ) -> None:
        self.placement = placement
        self.keys = keys
        self.prompt = prompt
        self.output = output
        self.first_token = env.event()
        self.ended = env.event()
        self.blocks: list[int] = []
        self.cached = 0
        self.end_at = 0.0  # on the replica's count of decoding steps

    def __lt__(self, other: "Run") -> bool:
        return self.end_at < other.end_at


class SimulatedReplica:
    """One replica. `slowness`: how many times longer its steps take than the measured ones."""

    def __init__(
        self,
        env: simpy.Environment,
        name: str,
        times: ServiceTimes,
        blocks: int,
        slowness: float = 1.0,
        number: int = 0,
    ) -> None:
        self.name = name
        self.number = number
        self.failed_at = 0.0
        self.draining = self.failed = self.frozen = False
        self.prompt_tokens = self.cached_tokens = self.sampled_tokens = 0
        self.slowness = slowness
        self._env = env
        self._times = times
        self._pool = BlockPool(blocks, BLOCK_SIZE, lambda: float(env.now))
        self._waiting: deque[Run] = deque()
        self._prefilling: Run | None = None
        self._left = 0.0  # prompt tokens of `_prefilling` to compute
        self._decoding: list[Run] = []  # a heap by `end_at`
        self._steps = 0.0  # decoding steps so far
        self._work = 0
        self._updated_at = float(env.now)
        self._rates = (0.0, 0.0)  # prompt tokens and decoding steps per second
        self._timer = 0

    @property
    def idle(self) -> bool:
        """Whether it has nothing to do."""
        return not (self._waiting or self._decoding or self._prefilling)

    def load(self) -> ReplicaLoad:
        """The load of its heartbeat."""
        return ReplicaLoad(
            running=len(self._decoding) + (self._prefilling is not None),
            waiting=len(self._waiting),
            slots=self._times.max_running,
            work=self._work,
            blocks_held=self._pool.held,
            blocks_total=self._pool.count,
            retained_seconds=self._pool.retained_seconds,
        )

    def state(self) -> ReplicaState:
        """Its heartbeat."""
        return ReplicaState(self.name, self.name, "model", BLOCK_SIZE, self.draining, self.load())

    def submit(self, run: Run) -> None:
        """Queue a generation. A frozen replica answers nothing."""
        if self.failed:
            run.first_token.fail(ReplicaFailedError())
            return
        self._advance()
        self._work += run.placement.prompt_work + run.placement.output_work
        self._waiting.append(run)
        self._continue()

    def generated(self, run: Run) -> int:
        """Tokens that a running generation has sampled."""
        if not run.first_token.processed or not run.first_token.ok:
            return 0
        return max(1, min(run.output, int(run.output - (run.end_at - self._steps))))

    def freeze(self) -> None:
        """Stop steps and heartbeats, without an error."""
        self._advance()
        self.frozen = True
        self._timer += 1

    def fail(self) -> None:
        """End all generations with an error. `failed_at` is when it did its last step."""
        if not self.frozen:
            self._advance()
        self.failed = True
        self._timer += 1
        prefilling = [self._prefilling] if self._prefilling else []
        for run in (*self._waiting, *prefilling):
            run.first_token.fail(ReplicaFailedError())
        for run in self._decoding:
            run.ended.fail(ReplicaFailedError())
        self._waiting.clear()
        self._decoding.clear()
        self._prefilling = None

    def _advance(self) -> None:
        """Progress at the present rates until now."""
        seconds = self._env.now - self._updated_at
        self._updated_at = self._env.now
        self._left -= self._rates[0] * seconds
        self._steps += self._rates[1] * seconds

    def _continue(self) -> None:
        """Start what can start, then set rates and the timer of the next event."""
        if self.frozen:
            return
        while self._prefilling is None and self._waiting and self._start(self._waiting[0]):
            self._prefilling = self._waiting.popleft()
        decodes = len(self._decoding)
        prefilling = self._prefilling is not None
        chunk = 0
        if prefilling:
            chunk = self._times.prefill_tokens_beside_decodes if decodes else self._times.prefill_tokens
        step = self._times.step(decodes, chunk) * self.slowness
        self._rates = (chunk / step, 1 / step if decodes else 0.0)
        waits = []
        if prefilling:
            waits.append(max(self._left, 0.0) / self._rates[0])
        if decodes:
            waits.append(max(self._decoding[0].end_at - self._steps, 0.0) * step)
        self._timer += 1
        if waits:
            self._env.timeout(min(waits), self._timer).callbacks.append(self._on_timer)

    def _on_timer(self, event: simpy.Event) -> None:
        if event.value != self._timer:
            return
        self._advance()
        if self._prefilling is not None and self._left < 1e-6:
            self._finish_prefill(self._prefilling)
        while self._decoding and self._decoding[0].end_at - self._steps < 1e-6:
            self._finish(heapq.heappop(self._decoding))
        self._continue()

    def _start(self, run: Run) -> bool:
        """Give a waiting generation its blocks; False if there are too few."""
        if len(self._decoding) >= self._times.max_running:
            return False
        found = self._pool.match_prefix(run.keys[: (run.prompt - 1) // BLOCK_SIZE])
        self._pool.share(found)
        more = self._pool.allocate(-(-(run.prompt + run.output) // BLOCK_SIZE) - len(found))
        if more is None:
            self._pool.release(found)
            return False
        run.blocks = found + more
        run.cached = len(found) * BLOCK_SIZE
        self.prompt_tokens += run.prompt
        self.cached_tokens += run.cached
        self._left = float(run.prompt - run.cached)
        return True

    def _finish_prefill(self, run: Run) -> None:
        self._prefilling = None
        self._register(run, run.prompt)
        self._work -= run.placement.prompt_work
        run.end_at = self._steps + run.output - 1
        heapq.heappush(self._decoding, run)
        run.first_token.succeed()

    def _finish(self, run: Run) -> None:
        self._register(run, run.prompt + run.output - 1)
        self._pool.release(run.blocks)
        self._work -= run.placement.output_work
        self.sampled_tokens += run.output
        run.ended.succeed()

    def _register(self, run: Run, tokens: int) -> None:
        for block, key in zip(run.blocks[: tokens // BLOCK_SIZE], run.keys, strict=False):
            self._pool.register(block, key)
