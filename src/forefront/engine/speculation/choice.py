"""The choice of a model's drafter by its options."""

from forefront.engine.model.model import ModelOptions
from forefront.engine.scheduling.drafter import Drafter
from forefront.engine.speculation.drafter_chain import DrafterChain
from forefront.engine.speculation.forced_tokens import ForcedTokensDrafter
from forefront.engine.speculation.ngram_drafter import NgramDrafter


def create_drafter(options: ModelOptions) -> Drafter | None:
    """The drafter of a model; None for single steps."""
    if options.speculation == "off":
        return None
    return DrafterChain([ForcedTokensDrafter(), NgramDrafter()])
