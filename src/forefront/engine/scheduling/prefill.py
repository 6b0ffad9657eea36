"""The prompts that compute in a step, and the division of its prefill budget among them."""

from collections.abc import Iterable

from forefront.engine.scheduling.sequence import Sequence
from forefront.engine.scheduling.tenant_queue import TenantQueue
from forefront.engine.scheduling.tenants import Tenants
from forefront.fairness.shares import whole_shares


def first_of_equals(prefills: Iterable[Sequence], block_size: int) -> list[Sequence]:
    """The `prefills`, given oldest first, that compute in this step. Of several with the same next block, one computes
    it and the others share it afterwards: the one with the most computed tokens, then the shortest."""
    chosen: dict[object, Sequence] = {}
    for sequence in prefills:
        block = sequence.num_computed_tokens // block_size
        key: object = sequence
        if block < (len(sequence.tokens) - 1) // block_size and sequence.request.prompt_logprobs is None:
            key = sequence.block_hashes[block]
        other = chosen.get(key)
        # A key keeps its place, so the chosen one has the age of the oldest.
        if other is None or _progress(sequence) > _progress(other):
            chosen[key] = sequence
    return list(chosen.values())


def _progress(sequence: Sequence) -> tuple[int, int]:
    return sequence.num_computed_tokens, -sequence.num_uncomputed_tokens


def divide_prefill(prefills: list[Sequence], budget: int, tenants: Tenants) -> list[tuple[Sequence, int]]:
    """Each of `prefills`, given oldest first, with its number of tokens in this step. The `budget` is divided by weight
    among tenants, then within each tenant."""
    if len(tenants) == 1 or len(prefills) < 2:
        return _divide(prefills, budget)
    groups: dict[TenantQueue, list[Sequence]] = {}
    for sequence in prefills:
        groups.setdefault(tenants.of(sequence), []).append(sequence)
    demands = {tenant: sum(sequence.num_uncomputed_tokens for sequence in group) for tenant, group in groups.items()}
    claims = [(tenant.weight, float(demand)) for tenant, demand in demands.items()]
    shares = dict(zip(groups, whole_shares(budget, claims), strict=True))
    unassigned = min(budget, sum(demands.values())) - sum(shares.values())
    for tenant in sorted(groups, key=lambda tenant: tenant.virtual_time):
        if unassigned > 0 and shares[tenant] < demands[tenant]:
            shares[tenant] += 1
            unassigned -= 1
    return [part for tenant, group in groups.items() for part in _divide(group, shares[tenant])]


def _divide(prefills: list[Sequence], budget: int) -> list[tuple[Sequence, int]]:
    """Half for the oldest prompt, so that it does not starve; the rest shortest first, so that a short prompt does not
    wait for a long one. The oldest gets what remains."""
    if not prefills or budget <= 0:
        return []
    oldest, *others = prefills
    granted: list[tuple[Sequence, int]] = []
    unassigned = budget - min(oldest.num_uncomputed_tokens, max(budget // 2, 1) if others else budget)
    for sequence in sorted(others, key=lambda sequence: sequence.num_uncomputed_tokens):
        num_tokens = min(sequence.num_uncomputed_tokens, unassigned)
        if num_tokens:
            granted.append((sequence, num_tokens))
            unassigned -= num_tokens
    used = sum(num_tokens for _, num_tokens in granted)
    return [(oldest, min(oldest.num_uncomputed_tokens, budget - used)), *granted]
