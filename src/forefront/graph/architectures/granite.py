"""Granite and MiniCPM: a Llama with factors at several places."""

from forefront.graph.architectures.llama import Llama
from forefront.graph.attention import AttentionInputs
from forefront.graph.packing.weights import Weights
from forefront.graph.rope import Rotation
from forefront.graph.settings import Settings


class Granite(Llama):
    """Granite 3 and 4, dense. Hybrid models without Mamba layers may have no positions."""

    further_settings = frozenset({"embedding_scale", "residual_scale", "logit_scale"})

    def __init__(self, settings: Settings, weights: Weights, inputs: AttentionInputs) -> None:
        super().__init__(settings, weights, inputs)
        self.embedding_scale = settings.number("embedding_scale", 0.0) or 1.0
        self.residual_scale = settings.number("residual_scale", 0.0) or 1.0
        self.logit_scale = 1 / (settings.number("logit_scale", 0.0) or 1.0)

    def rotation_of(self, _n: int) -> Rotation | None:
        """None where the file states that the model was not trained with rotary positions."""
        return self.rotation if self.settings.flag("rope.scaling.finetuned", True) else None


class MiniCpm(Granite):
    """MiniCPM 1, 2 and 4, whose early files omit the factors."""

    def __init__(self, settings: Settings, weights: Weights, inputs: AttentionInputs) -> None:
        super().__init__(settings, weights, inputs)
        self.embedding_scale = settings.number("embedding_scale", 12.0)
        self.residual_scale = settings.number("residual_scale", 1.4 / self.layers**0.5)
        self.logit_scale = 1 / settings.number("logit_scale", self.width / 256)

    rotation_of = Llama.rotation_of
