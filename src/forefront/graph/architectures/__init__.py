"""The families of models that graphs are built for, by the architecture that a file names."""

from typing import Final

from forefront.graph.architectures.gemma import Gemma, Gemma3
from forefront.graph.architectures.llama import Llama
from forefront.graph.architectures.qwen import Qwen
from forefront.graph.decoder import Decoder

ARCHITECTURES: Final[dict[str, type[Decoder]]] = {
    "gemma": Gemma,
    "gemma3": Gemma3,
    "llama": Llama,
    "qwen2": Qwen,
    "qwen3": Qwen,
}
