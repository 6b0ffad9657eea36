"""Which tokens run next: pure decisions over sequences and blocks, with no clock, no model and no I/O."""

from collections import deque
from dataclasses import dataclass

from forefront.engine.blocks import BlockPool, extend_keys
from forefront.engine.sequence import Sequence
from forefront.fairness.tenant import Tenant


@dataclass(frozen=True, slots=True)
class Limits:
    """How much one step may hold.

    `running`: sequences that hold blocks. `prefill`: prompt tokens per step when nothing decodes;
    `prefill_beside_decodes` when something does, which bounds how long a new prompt can delay everybody's next token.
    """

    running: int = 64
    prefill: int = 256
    prefill_beside_decodes: int = 64


@dataclass(frozen=True, slots=True)
class Chunk:
    """`length` tokens of a sequence to compute, from its `computed` on."""

    sequence: Sequence
    length: int

    @property
    def samples(self) -> bool:
        """Whether the chunk reaches the last known token, so that the next one can be sampled."""
        return self.length == self.sequence.remaining


class Scheduler:
    """Decodes first, one token each; then prompts, in chunks that share what is left of the step.

    Sequences are admitted in order of arrival as soon as their whole prompt has blocks. When a decode needs a block
    and none is left, the youngest sequence gives up its blocks and is computed again later.
    """

    def __init__(self, pool: BlockPool, limits: Limits) -> None:
        self.pool, self.limits = pool, limits
        self.waiting: deque[Sequence] = deque()
        self.running: list[Sequence] = []  # oldest first
        self.preemptions = 0

    def add(self, sequence: Sequence) -> None:
        """Queue a new sequence."""
        self.waiting.append(sequence)

    def remove(self, sequence: Sequence) -> None:
        """Forget a sequence, finished or cancelled, and give its blocks back. Does nothing for an unknown one."""
        if sequence in self.running:
            self.running.remove(sequence)
            self.pool.release(sequence.blocks)
            sequence.blocks = []
        elif sequence in self.waiting:
            self.waiting.remove(sequence)

    def cached_tokens(self, prompt: list[int], tenant: Tenant) -> int:
        """How many tokens of a prompt a new sequence would find in the cache."""
        keys: list[bytes] = []
        # At least one token is always computed, for its logits.
        extend_keys(keys, prompt, len(prompt) - 1, self.pool.size, tenant.salt)
        return len(self.pool.find(keys)) * self.pool.size

    def schedule(self) -> list[Chunk]:
        """The next step: at most one chunk per sequence. Empty only when there is nothing to do."""
        decodes = self._decodes()
        self._admit()
        prefills = [sequence for sequence in self.running if sequence.remaining > 1 or not sequence.computed]
        budget = self.limits.prefill_beside_decodes if decodes else self.limits.prefill
        return decodes + self._share(prefills, budget)

    def computed(self, chunks: list[Chunk]) -> None:
        """Record that the chunks have run: their tokens are in the cache, and full blocks can be found by others."""
        size = self.pool.size
        for sequence, length in ((chunk.sequence, chunk.length) for chunk in chunks):
            full = sequence.computed // size
            sequence.computed += length
            sequence.extend_keys(size, sequence.computed)
            for index in range(full, sequence.computed // size):
                self.pool.register(sequence.blocks[index], sequence.keys[index])

    def fork(self, sequence: Sequence, follower: Sequence) -> tuple[int, int] | None:
        """Let `follower`, whose prompt is `sequence`'s and just computed, run on the same blocks.

        Full blocks are shared; a partly filled last one is returned as (from, to) to be copied before it is written
        to, and (0, 0) says that there is none. None: no room now, the follower was queued and computes for itself.
        """
        shared = sequence.prompt_length // self.pool.size
        partial = sequence.blocks[shared:]
        own = self.pool.allocate(len(partial)) if len(self.running) < self.limits.running else None
        if own is None:
            self.waiting.appendleft(follower)
            return None
        self.pool.share(sequence.blocks[:shared])
        follower.blocks = sequence.blocks[:shared] + own
        follower.keys = list(sequence.keys)
        follower.computed = sequence.prompt_length
        follower.started = True
        self.running.insert(self.running.index(sequence) + 1, follower)
        return (partial[0], own[0]) if partial else (0, 0)

    def _decodes(self) -> list[Chunk]:
        chunks = []
        for sequence in list(self.running):
            # Preempted by an older one in this very loop.
            if not sequence.blocks or sequence.remaining != 1 or not sequence.computed:
                continue
            if self._grow(sequence):
                chunks.append(Chunk(sequence, 1))
        return chunks

    def _grow(self, sequence: Sequence) -> bool:
        """Make sure that there is a block for the next token, at the expense of younger sequences if need be."""
        if sequence.computed < len(sequence.blocks) * self.pool.size:
            return True
        while (blocks := self.pool.allocate(1)) is None:
            youngest = self.running[-1]
            self._preempt(youngest)
            if youngest is sequence:
                return False
        sequence.blocks += blocks
        return True

    def _preempt(self, sequence: Sequence) -> None:
        self.running.remove(sequence)
        self.pool.release(sequence.blocks)
        sequence.blocks = []
        sequence.computed = 0
        self.waiting.appendleft(sequence)
        self.preemptions += 1

    def _admit(self) -> None:
        while self.waiting and len(self.running) < self.limits.running:
            if not self._start(self.waiting[0]):
                break
            self.running.append(self.waiting.popleft())

    def _start(self, sequence: Sequence) -> bool:
        """Give a waiting sequence blocks for all its known tokens, those of a cached prefix first."""
        size = self.pool.size
        length = len(sequence.tokens)
        # At least one token is always computed, for its logits.
        sequence.extend_keys(size, length - 1)
        # A prompt whose tokens are to be scored is computed whole.
        found = self.pool.find(sequence.keys[: (length - 1) // size]) if not sequence.to_score(length) else []
        self.pool.share(found)
        # One spare block for each running sequence, so that admitting this one does not at once preempt it again.
        needed = -(-length // size) - len(found)
        own = self.pool.allocate(needed) if needed + len(self.running) <= self.pool.available else None
        if own is None:
            self.pool.release(found)
            return False
        sequence.blocks = found + own
        sequence.computed = len(found) * size
        if not sequence.started:
            sequence.started = True
            if sequence.index == 0:
                sequence.generation.cached_tokens = sequence.computed
        return True

    def _share(self, prefills: list[Sequence], budget: int) -> list[Chunk]:
        """Divide `budget` tokens: half for the oldest prompt, which must not starve, the rest shortest first, so that
        a short prompt need not wait for a long one; what nobody else needs goes to the oldest."""
        if not prefills or budget <= 0:
            return []
        oldest, *others = prefills
        granted: list[Chunk] = []
        left = budget - min(oldest.remaining, budget // 2 if others else budget)
        for sequence in sorted(others, key=lambda sequence: sequence.remaining):
            length = min(sequence.remaining, left)
            if length:
                granted.append(Chunk(sequence, length))
                left -= length
        used = sum(chunk.length for chunk in granted)
        return [Chunk(oldest, min(oldest.remaining, budget - used)), *granted]
