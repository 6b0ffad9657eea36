"""The choice of a model's drafter by its options."""

from typing import Final

from forefront.engine.model.model import ModelOptions
from forefront.engine.scheduling.drafter import Drafter
from forefront.engine.speculation.draft_model import DraftModelDrafter, DraftRunner
from forefront.engine.speculation.drafter_chain import DrafterChain
from forefront.engine.speculation.forced_tokens import ForcedTokensDrafter
from forefront.engine.speculation.ngram_drafter import NgramDrafter
from forefront.engine.speculation.prediction_drafter import PredictionDrafter

# With this many matching tokens, a repetition is more likely correct than a draft model.
_LONG_MATCH: Final = 8


def create_drafter(options: ModelOptions, draft_model: DraftRunner | None = None) -> Drafter | None:
    """The drafter of a model; None for single steps."""
    if options.speculation == "off":
        return None
    # The rounding of activations magnifies the differences between steps of one token and of several.
    exact = not options.quantize_activations
    drafters: list[Drafter] = [PredictionDrafter(), ForcedTokensDrafter()]
    if draft_model is None:
        drafters.append(NgramDrafter())
    else:
        drafters += [NgramDrafter(_LONG_MATCH), DraftModelDrafter(draft_model)]
    return DrafterChain(drafters, exact=exact)
