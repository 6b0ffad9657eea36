"""How the prompt tokens of a step are divided."""

from collections.abc import Mapping

from forefront.engine.sequence import Sequence
from forefront.engine.tenant_queue import TenantQueue
from forefront.fairness.shares import whole_shares


def divide_prefill(
    prefills: list[Sequence], budget: int, tenants: Mapping[str, TenantQueue]
) -> list[tuple[Sequence, int]]:
    """The tokens that each of `prefills`, oldest first, may compute of `budget`: by weight among tenants, then within
    each tenant."""
    if len(tenants) == 1 or len(prefills) < 2:
        return _divide(prefills, budget)
    groups: dict[str, list[Sequence]] = {}
    for sequence in prefills:
        groups.setdefault(sequence.request.tenant.name, []).append(sequence)
    demands = {name: sum(sequence.remaining for sequence in group) for name, group in groups.items()}
    claims = [(tenants[name].weight, float(demand)) for name, demand in demands.items()]
    parts = dict(zip(groups, whole_shares(budget, claims), strict=True))
    left = min(budget, sum(demands.values())) - sum(parts.values())
    for name in sorted(groups, key=lambda name: tenants[name].time):
        if left > 0 and parts[name] < demands[name]:
            parts[name] += 1
            left -= 1
    return [part for name, group in groups.items() for part in _divide(group, parts[name])]


def _divide(prefills: list[Sequence], budget: int) -> list[tuple[Sequence, int]]:
    """Half for the oldest prompt, which must not starve, the rest shortest first, so that a short prompt need not wait
    for a long one; what nobody else needs goes to the oldest."""
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
