"""The families of models that graphs are built for, by the architecture that a file names."""

from typing import Final

from forefront.graph.architectures.apertus import Apertus
from forefront.graph.architectures.bert import Bert, JinaBert3, NomicBert
from forefront.graph.architectures.cohere import Cohere2, CommandR
from forefront.graph.architectures.exaone import Exaone4
from forefront.graph.architectures.gemma import Gemma, Gemma2, Gemma3, GemmaEmbedding
from forefront.graph.architectures.gemma4 import Gemma4
from forefront.graph.architectures.glm import ChatGlm, Glm4
from forefront.graph.architectures.granite import Granite, MiniCpm
from forefront.graph.architectures.hunyuan import HunyuanDense
from forefront.graph.architectures.lfm import Lfm2
from forefront.graph.architectures.llama import Llama
from forefront.graph.architectures.mistral import Mistral3
from forefront.graph.architectures.modern_bert import ModernBert
from forefront.graph.architectures.modern_encoders import EuroBert, LlamaEmbedding, NeoBert
from forefront.graph.architectures.nemotron import Arcee, Nemotron
from forefront.graph.architectures.olmo import Olmo2
from forefront.graph.architectures.phi import Phi2, Phi3
from forefront.graph.architectures.qwen import Qwen
from forefront.graph.architectures.seed import SeedOss
from forefront.graph.architectures.smollm import SmolLm3
from forefront.graph.architectures.stablelm import StableLm
from forefront.graph.architectures.starcoder import StarCoder2
from forefront.graph.decoder import Decoder

ARCHITECTURES: Final[dict[str, type[Decoder]]] = {
    "apertus": Apertus,
    "arcee": Arcee,
    "chatglm": ChatGlm,
    "cohere2": Cohere2,
    "command-r": CommandR,
    "ernie4_5": Llama,
    "exaone": Decoder,
    "exaone4": Exaone4,
    "gemma": Gemma,
    "gemma2": Gemma2,
    "gemma3": Gemma3,
    "gemma4": Gemma4,
    "glm4": Glm4,
    "granite": Granite,
    "hunyuan-dense": HunyuanDense,
    "internlm2": Llama,
    "lfm2": Lfm2,
    "llama": Llama,
    "minicpm": MiniCpm,
    "mistral3": Mistral3,
    "nemotron": Nemotron,
    "olmo2": Olmo2,
    "phi2": Phi2,
    "phi3": Phi3,
    "qwen2": Qwen,
    "qwen2vl": Qwen,
    "qwen3": Qwen,
    "qwen3vl": Qwen,
    "seed_oss": SeedOss,
    "smollm3": SmolLm3,
    "stablelm": StableLm,
    "starcoder2": StarCoder2,
}

# Models that make embeddings and generate no text.
ENCODERS: Final[dict[str, type[Decoder]]] = {
    "bert": Bert,
    "eurobert": EuroBert,
    "gemma-embedding": GemmaEmbedding,
    "jina-bert-v3": JinaBert3,
    "llama-embed": LlamaEmbedding,
    "modern-bert": ModernBert,
    "neo-bert": NeoBert,
    "nomic-bert": NomicBert,
}
