"""First come, first served: what the scheduler must decide while one tenant is alone. Without the cache of prefixes."""

from collections import deque
from dataclasses import dataclass, field

from forefront.engine.scheduling.scheduler import SchedulerLimits


@dataclass(eq=False)
class Work:
    """A sequence's numbers."""

    name: int
    known: int  # tokens
    left: int  # tokens to sample
    computed: int = 0
    blocks: int = 0


@dataclass
class FirstCome:
    """`step` returns the tokens that each sequence computes, in order."""

    free: int
    limits: SchedulerLimits
    size: int = 32
    waiting: deque[Work] = field(default_factory=deque)
    running: list[Work] = field(default_factory=list)

    def step(self) -> list[tuple[int, int]]:
        decodes = [(work, 1) for work in list(self.running) if work.blocks and self._decodes(work) and self._grow(work)]
        while self.waiting and len(self.running) < self.limits.max_running:
            work = self.waiting[0]
            needed = -(-work.known // self.size)
            if needed + len(self.running) > self.free:
                break
            self.free -= needed
            work.blocks = needed
            self.running.append(self.waiting.popleft())
        prefills = [work for work in self.running if not self._decodes(work)]
        budget = self.limits.prefill_tokens_beside_decodes if decodes else self.limits.prefill_tokens
        chunks = decodes + self._divide(prefills, budget)
        for work, length in chunks:
            work.computed += length
            if work.computed == work.known:
                work.known, work.left = work.known + 1, work.left - 1
        for work in [work for work in self.running if not work.left]:
            self._stop(work)
        return [(work.name, length) for work, length in chunks]

    def _decodes(self, work: Work) -> bool:
        return work.known - work.computed == 1 and work.computed > 0

    def _grow(self, work: Work) -> bool:
        if work.computed < work.blocks * self.size:
            return True
        while not self.free:
            youngest = self.running[-1]
            self._stop(youngest)
            youngest.computed = 0
            self.waiting.appendleft(youngest)
            if youngest is work:
                return False
        self.free -= 1
        work.blocks += 1
        return True

    def _stop(self, work: Work) -> None:
        self.running.remove(work)
        self.free += work.blocks
        work.blocks = 0

    def _divide(self, prefills: list[Work], budget: int) -> list[tuple[Work, int]]:
        if not prefills:
            return []
        remaining = {work: work.known - work.computed for work in prefills}
        oldest, *others = prefills
        granted = []
        left = budget - min(remaining[oldest], budget // 2 if others else budget)
        for work in sorted(others, key=remaining.__getitem__):
            if length := min(remaining[work], left):
                granted.append((work, length))
                left -= length
        used = sum(length for _, length in granted)
        return [(oldest, min(remaining[oldest], budget - used)), *granted]
