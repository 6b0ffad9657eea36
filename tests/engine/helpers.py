"""Sequences without an engine, for tests of what needs no model."""

import asyncio
from functools import cache

from forefront.engine.generation import Generation
from forefront.engine.request import GenerateRequest, SamplingParams
from forefront.engine.scheduling.sequence import Sequence
from forefront.fairness.tenant import NO_TENANT, Tenant


@cache
def _closed_loop() -> asyncio.AbstractEventLoop:
    """One for all sequences: a loop opens three files, and some tests make thousands of sequences."""
    loop = asyncio.new_event_loop()
    loop.close()
    return loop


def make_sequence(
    length: int,
    *,
    max_tokens: int = 16,
    tenant: Tenant = NO_TENANT,
    first: int = 0,
    sampling: SamplingParams | None = None,
    stop_tokens: frozenset[int] = frozenset(),
    index: int = 0,
    prediction: list[int] | None = None,
) -> Sequence:
    """A sequence whose prompt is `length` consecutive numbers from `first` on."""
    generation = Generation(_closed_loop(), 1, lambda _: None)
    prompt = list(range(first, first + length))
    request = GenerateRequest(
        prompt, max_tokens, sampling or SamplingParams(), 1, stop_tokens, tenant, prediction=prediction or ()
    )
    return Sequence(request, generation, index)
