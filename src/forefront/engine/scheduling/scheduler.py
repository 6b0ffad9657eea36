"""The choice of the tokens of the next step: decisions over sequences and blocks, with no clock, no model and no I/O.

Tenants share the engine by weight. One tenant alone may use all of it. While several have sequences and one waits, each
has a share of the decode slots, of the KV blocks and of the prompt tokens of a step (`fairness/shares.py`).
"""

from collections import abc
from dataclasses import dataclass
from typing import Final

from forefront.engine.kv_blocks.block_pool import BlockPool, extend_block_hashes
from forefront.engine.scheduling.admission import Admission
from forefront.engine.scheduling.drafter import Drafter, add_drafts
from forefront.engine.scheduling.prefill import divide_prefill, first_of_equals
from forefront.engine.scheduling.running_set import RunningSet
from forefront.engine.scheduling.scheduled_chunk import ScheduledChunk, step_size
from forefront.engine.scheduling.sequence import Sequence
from forefront.engine.scheduling.step_budget import StepBudget
from forefront.engine.scheduling.tenants import Tenants
from forefront.fairness.tenant import Tenant

# The minimum budget of a step that is shortened for new prompts.
_SHORTENED: Final = 32
# Sequences of one tenant from which on steps are short for tenants that arrive.
_MANY: Final = 8


@dataclass(frozen=True, slots=True)
class SchedulerLimits:
    """The size of a step.

    `max_running`: sequences that hold blocks. `prefill_tokens`: the most prompt tokens.
    `prefill_tokens_beside_decodes`: prompt tokens beside decodes until steps have been measured. `scored_tokens`: the
    most when prompt tokens are scored, each of which needs a row of logits. `draft_tokens`: the most of all drafts
    together. `inter_token_latency`: seconds that 95 % of the steps with decodes shall not exceed, unless a prompt has
    waited for `first_token_latency` seconds.
    """

    max_running: int = 64
    prefill_tokens: int = 512
    prefill_tokens_beside_decodes: int = 64
    scored_tokens: int = 256
    draft_tokens: int = 64
    inter_token_latency: float = 0.1
    first_token_latency: float = 1.0

    def step_budget(self) -> StepBudget:
        """A budget without measurements."""
        return StepBudget(self.inter_token_latency, self.prefill_tokens, self.prefill_tokens_beside_decodes)


class Scheduler:
    """Decodes first, one token and its draft each; then prompts, in chunks that share what is left of the step."""

    def __init__(
        self,
        pool: BlockPool,
        limits: SchedulerLimits,
        drafter: Drafter | None = None,
        step_budget: StepBudget | None = None,
    ) -> None:
        self.pool, self.limits = pool, limits
        self.step_budget = step_budget or limits.step_budget()
        self._drafter = drafter
        self._draft_price = 0.0  # of a draft token in the current step
        self._shortened_last = self._served_least = False
        self._tenants = Tenants()
        self._running = RunningSet(pool, self._tenants, limits.max_running)
        self._admission = Admission(self._running, self._tenants)

    @property
    def running(self) -> list[Sequence]:
        """The running sequences, oldest first."""
        return self._running.sequences

    @property
    def waiting(self) -> list[Sequence]:
        """The waiting sequences, tenant by tenant, in order of admission. Linear in their number."""
        return [sequence for tenant in self._tenants for sequence in tenant.waiting]

    @property
    def waiting_count(self) -> int:
        """The number of waiting sequences."""
        return self._tenants.waiting_count

    @property
    def preemptions(self) -> int:
        """The number of preemptions."""
        return self._running.preemptions

    def add(self, sequence: Sequence) -> None:
        """Queue a new sequence. One that another engine has begun precedes its tenant's others."""
        if self._tenants.find(sequence) is None and self._tenants.any_with(_MANY):
            self.step_budget.contend()
        sequence.queued_at = self.step_budget.elapsed
        self._tenants.queue(sequence, first=sequence.started)

    def remove(self, sequence: Sequence) -> None:
        """Forget a finished or cancelled sequence and release its blocks. Does nothing for an unknown one."""
        if self._drafter is not None:
            self._drafter.forget(sequence)
        self._release(sequence)

    def suspend(self, sequence: Sequence) -> None:
        """Take a sequence out until `resume`. It keeps its tokens and releases its blocks."""
        self._release(sequence)
        sequence.num_computed_tokens = 0

    def resume(self, sequence: Sequence) -> None:
        """Queue a suspended sequence before its tenant's others."""
        self._tenants.queue(sequence, first=True)

    def cached_tokens(self, prompt: list[int], tenant: Tenant) -> int:
        """The number of a prompt's tokens that are cached for a new sequence."""
        hashes: list[bytes] = []
        # At least one token is always computed, for its logits.
        extend_block_hashes(hashes, prompt, len(prompt) - 1, self.pool.block_size, tenant.salt)
        return len(self.pool.match_prefix(hashes)) * self.pool.block_size

    def schedule(self) -> list[ScheduledChunk]:
        """The next step: at most one chunk per sequence. Empty when there is nothing to do, or when the only sequence
        was found wholly cached; it decodes in the next step."""
        preempted = self._running.preempted
        preempted.clear()
        for sequence in self.running:
            if len(sequence.tokens) - sequence.num_computed_tokens > 1:
                self._running.reuse_computed(sequence)
        decodes = self._decodes()
        self._admission.admit()
        if preempted:
            decodes = [chunk for chunk in decodes if chunk.sequence not in preempted]
        prefills: list[Sequence] = []
        if len(decodes) < len(self.running):
            prefills = [sequence for sequence in self.running if not sequence.decoding]
        if prefills and self._serve_least():
            names = self._tenants.least_served(prefills)
            decodes = [chunk for chunk in decodes if chunk.sequence.request.tenant.name in names]
            prefills = [sequence for sequence in prefills if sequence.request.tenant.name in names]
        late = self._late(prefills)
        if self._drafter is not None and decodes:
            decodes = self._with_drafts(decodes, self._drafter, prefills, late)
        return decodes + self._prefill(first_of_equals(prefills, self.pool.block_size), decodes, late=bool(late))

    def commit(self, chunk: ScheduledChunk, accepted: int) -> None:
        """Record that a chunk has run and that sampling confirmed `accepted` tokens of its draft, which are appended to
        the sequence. Full blocks of confirmed tokens are registered for prefix reuse."""
        sequence, size = chunk.sequence, self.pool.block_size
        if self._drafter is not None and chunk.draft:
            self._drafter.verified(sequence, len(chunk.draft), accepted, self._draft_price)
        start = sequence.num_computed_tokens
        end = sequence.num_computed_tokens = start + chunk.num_tokens + accepted
        # Tokens that are computed again after a preemption are not charged again.
        if end > sequence.num_charged_tokens:
            tenant = self._tenants.of(sequence)
            tenant.virtual_time += (end - max(start, sequence.num_charged_tokens)) / tenant.weight
            sequence.num_charged_tokens = end
        first, last = start // size, end // size
        if last > first:
            sequence.extend_block_hashes(size, end)
            blocks = sequence.block_table.array[first:last].tolist()
            for block, digest in zip(blocks, sequence.block_hashes[first:last], strict=True):
                self.pool.register(block, digest)

    def fork(self, sequence: Sequence, follower: Sequence) -> tuple[int, int] | None:
        """See `RunningSet.fork`."""
        return self._running.fork(sequence, follower)

    def _release(self, sequence: Sequence) -> None:
        tenant = self._tenants.find(sequence)
        if tenant is None:
            return
        if len(sequence.block_table):
            self._running.stop(tenant, sequence)
        elif sequence in tenant.waiting:
            self._tenants.dequeue(tenant, sequence)
        self._tenants.forget_idle(tenant)

    def _serve_least(self) -> bool:
        """Whether the step is reserved for the tenants with the least use: while a sequence waits, and every second
        step while tenants arrive beside one with many sequences."""
        if len(self._tenants) < 2:
            return False
        self._served_least = bool(self.waiting_count) or (self.step_budget.contended and not self._served_least)
        return self._served_least

    def _decodes(self) -> list[ScheduledChunk]:
        # `grow` may preempt sequences that come later: they no longer decode then.
        return [
            ScheduledChunk(sequence, 1)
            for sequence in list(self.running)
            if sequence.decoding and self._running.grow(sequence)
        ]

    def _with_drafts(
        self, decodes: list[ScheduledChunk], drafter: Drafter, prefills: abc.Sequence[Sequence], late: set[str]
    ) -> list[ScheduledChunk]:
        """The decodes with their drafts. Tenants with late prompts have none: their prompts come first."""
        drafting = [chunk for chunk in decodes if chunk.sequence.request.tenant.name not in late]
        if not drafting:
            return decodes
        budget = self._draft_budget(decodes, prefills)
        prices = self.step_budget.draft_cost.prices(step_size(decodes), budget, beside_prompts=bool(prefills))
        self._draft_price = add_drafts(drafting, drafter, prices, self._running)
        return drafting + [chunk for chunk in decodes if chunk.sequence.request.tenant.name in late]

    def _draft_budget(self, decodes: abc.Sequence[ScheduledChunk], prefills: abc.Sequence[Sequence]) -> int:
        """Tokens of drafts: as many as fit into the step, or half of them while prompts wait."""
        if not self.step_budget.cost.measured:
            return self.limits.draft_tokens
        size = step_size(decodes)
        budget = self.step_budget.tokens_beside(size, size.decode_context / size.decodes)
        return min(budget // 2 if prefills else budget, self.limits.draft_tokens)

    def _late(self, prefills: abc.Sequence[Sequence]) -> set[str]:
        """The names of the tenants with a late prompt: one that has waited longer than `first_token_latency`."""
        latest = self.step_budget.elapsed - self.limits.first_token_latency
        return {one.request.tenant.name for one in prefills if one.queued_at < latest and not one.num_output_tokens}

    def _prefill(
        self, prefills: list[Sequence], decodes: abc.Sequence[ScheduledChunk], *, late: bool
    ) -> list[ScheduledChunk]:
        """The chunks of prompts. The budget depends on the context that their tokens attend to, and that on the
        division of the budget: a first division gives the context for the second one."""
        if not prefills:
            return []
        size = step_size(decodes)
        maximum = self.limits.prefill_tokens
        if any(sequence.prompt_positions_to_score(sequence.num_uncomputed_tokens) for sequence in prefills):
            maximum = self.limits.scored_tokens
        chunks: list[ScheduledChunk] = []
        whole = shortened = 0
        for _ in range(2 if self.step_budget.cost.measured else 1):
            prompts = step_size(chunks)
            context = prompts.attended / max(prompts.tokens, 1)
            budget = self.step_budget
            fitting = budget.tokens_beside(size, context, late=late) if decodes else budget.tokens_alone(context)
            whole = min(fitting, maximum)
            shortened = self._shortened(prefills, whole)
            divided = divide_prefill(prefills, shortened, self._tenants)
            chunks = [ScheduledChunk(sequence, num_tokens) for sequence, num_tokens in divided]
        self._shortened_last = shortened < whole
        return chunks

    def _shortened(self, prefills: abc.Sequence[Sequence], budget: int) -> int:
        """The budget of a step in which new, short prompts are computed beside longer ones: twice their tokens, so that
        their first tokens come soon. Every other step has the whole budget, for the longer ones."""
        if self._shortened_last or len(prefills) < 2 or not self.step_budget.cost.measured:
            return budget
        short = 0
        for length in sorted(one.num_uncomputed_tokens for one in prefills if not one.num_charged_tokens):
            if short + length > budget // 8:
                break
            short += length
        return min(max(2 * short, _SHORTENED), budget) if short else budget
