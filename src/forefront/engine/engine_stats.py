"""The state of an engine in numbers, and its counters."""

from dataclasses import dataclass

from forefront.engine.scheduling.scheduler import Scheduler


@dataclass(frozen=True, slots=True)
class EngineStats:
    """The engine's state. `last_token` is a `time.monotonic()`, 0 before the first. Cached blocks whose last use is
    more than `retained_seconds` ago have been evicted. All other values are counts; `steps` grows while the engine
    makes progress. Of `draft_tokens` in `drafts` drafts, sampling has confirmed `accepted_tokens`."""

    running: int
    waiting: int
    blocks_held: int
    blocks_total: int
    tokens_sampled: int
    preemptions: int
    evictions: int
    restarts: int
    last_token: float
    retained_seconds: float = 0.0
    drafts: int = 0
    draft_tokens: int = 0
    accepted_tokens: int = 0
    steps: int = 0


@dataclass(slots=True)
class EngineCounters:
    """Counts since the start of the engine. `preemptions` and `evictions` are those before the last restart."""

    steps: int = 0
    tokens_sampled: int = 0
    last_token: float = 0.0
    preemptions: int = 0
    evictions: int = 0
    restarts: int = 0
    drafts: int = 0
    draft_tokens: int = 0
    accepted_tokens: int = 0

    def drafted(self, tokens: int, accepted: int) -> None:
        """Count a draft and its `accepted` tokens, which sampling has confirmed."""
        self.drafts += 1
        self.draft_tokens += tokens
        self.accepted_tokens += accepted

    def restarted(self, scheduler: Scheduler) -> None:
        """Count a restart, which replaces `scheduler`."""
        self.preemptions += scheduler.preemptions
        self.evictions += scheduler.pool.evictions
        self.restarts += 1

    def stats(self, scheduler: Scheduler) -> EngineStats:
        """A snapshot of these counts and of the scheduler."""
        pool = scheduler.pool
        return EngineStats(
            running=len(scheduler.running),
            waiting=scheduler.waiting_count,
            blocks_held=pool.held,
            blocks_total=pool.count,
            tokens_sampled=self.tokens_sampled,
            preemptions=self.preemptions + scheduler.preemptions,
            evictions=self.evictions + pool.evictions,
            restarts=self.restarts,
            last_token=self.last_token,
            retained_seconds=pool.retained_seconds,
            drafts=self.drafts,
            draft_tokens=self.draft_tokens,
            accepted_tokens=self.accepted_tokens,
            steps=self.steps,
        )
