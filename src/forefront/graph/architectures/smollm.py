"""SmolLM 3."""

from forefront.graph.architectures.llama import Llama
from forefront.graph.rope import Rotation


class SmolLm3(Llama):
    """A Llama in which every fourth layer has no positions."""

    period = 4

    def rotation_of(self, n: int) -> Rotation | None:
        """None in every fourth layer."""
        return None if n % self.period == self.period - 1 else self.rotation
