"""How the prompt tokens of a step are divided."""

from forefront.engine.scheduling.sequence import Sequence
from forefront.engine.scheduling.tenant_queue import TenantQueue
from forefront.engine.scheduling.tenants import Tenants
from forefront.fairness.shares import whole_shares


def divide_prefill(prefills: list[Sequence], budget: int, tenants: Tenants) -> list[tuple[Sequence, int]]:
    """The tokens that each of `prefills`, oldest first, may compute of `budget`: by weight among tenants, then within
    each tenant."""
    if len(tenants) == 1 or len(prefills) < 2:
        return _divide(prefills, budget)
    groups: dict[TenantQueue, list[Sequence]] = {}
    for sequence in prefills:
        groups.setdefault(tenants.of(sequence), []).append(sequence)
    demands = {tenant: sum(sequence.remaining for sequence in group) for tenant, group in groups.items()}
    claims = [(tenant.weight, float(demand)) for tenant, demand in demands.items()]
    parts = dict(zip(groups, whole_shares(budget, claims), strict=True))
    left = min(budget, sum(demands.values())) - sum(parts.values())
    for tenant in sorted(groups, key=lambda tenant: tenant.time):
        if left > 0 and parts[tenant] < demands[tenant]:
            parts[tenant] += 1
            left -= 1
    return [part for tenant, group in groups.items() for part in _divide(group, parts[tenant])]


def _divide(prefills: list[Sequence], budget: int) -> list[tuple[Sequence, int]]:
    """Half for the oldest prompt, which must not starve, the rest shortest first, so that a short prompt need not wait
    for a long one; what is left goes to the oldest."""
    if not prefills or budget <= 0:
        return []
    oldest, *others = prefills
    granted: list[tuple[Sequence, int]] = []
    left = budget - min(oldest.remaining, max(budget // 2, 1) if others else budget)
    for sequence in sorted(others, key=lambda sequence: sequence.remaining):
        length = min(sequence.remaining, left)
        if length:
            granted.append((sequence, length))
            left -= length
    used = sum(length for _, length in granted)
    return [(oldest, min(oldest.remaining, budget - used)), *granted]
