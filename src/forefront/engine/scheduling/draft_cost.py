"""The cost of one draft token in a step."""

from typing import Final

from forefront.engine.scheduling.step_cost import StepCost, StepSize

# The computation of one token more in a step, in steps of a single token. Measured on CPUs with models of 0.1 to 0.4
# billion parameters: 0.03 beside one sequence, 0.09 beside 32.
_TOKEN_COST: Final = 0.08
# The measured cost of a token counts within this factor of the usual one: it is also that of prompt tokens.
_TRUST: Final = 2.0


def usual_cost(num_decodes: int) -> float:
    """The price of a draft token beside so many decodes, before steps have been measured."""
    return num_decodes * _TOKEN_COST / (1 + _TOKEN_COST * (num_decodes - 1))


def draft_cost(size: StepSize, cost: StepCost) -> float:
    """The cost of one draft token beside the decodes in `size`, in output tokens that the same time yields without
    drafts."""
    usual = usual_cost(size.decodes)
    seconds = cost.seconds(size) if cost.measured else 0.0
    if seconds <= 0:
        return usual
    measured = cost.token_seconds(size.decode_context / size.decodes) * size.decodes / seconds
    return min(max(measured, usual / _TRUST), usual * _TRUST)
