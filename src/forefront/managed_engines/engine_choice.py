"""The choice of the engine for a GGUF file: this project's, or llama.cpp for unsupported files."""

from typing import Final

from forefront.graph.architectures import ARCHITECTURES
from forefront.graph.block_formats import FORMATS
from forefront.graph.build import is_embedding_model
from forefront.graph.setting_check import unsupported_setting
from forefront.graph.settings import Settings
from forefront.managed_engines.model_header import ModelHeader
from forefront.tokenizer.errors import TokenizerError
from forefront.tokenizer.files.gguf import check_kind

_EXPERTS: Final = "_exps."


def reason_for_llama_cpp(header: ModelHeader) -> str | None:
    """The reason why this project's engine does not run the model, as the end of a sentence with `it`; None for a model
    that it runs. Raises `ModelFileError` for a file that names no architecture."""
    settings = Settings(header.metadata)
    if is_embedding_model(settings):
        return None  # llama.cpp only generates text here
    family = ARCHITECTURES.get(settings.architecture)
    if family is None:
        return f"has the architecture {settings.architecture[:40]}"
    # Families that exist as both have the same architecture in either.
    if settings.integer("expert_count", 0) > 1 or any(_EXPERTS in name for name in header.tensors):
        return "is a mixture of experts"
    reason = unsupported_setting(settings, family, embeds=False)
    if reason is not None:
        return reason
    for tensor in header.tensors.values():
        kind = FORMATS.get(tensor.format)
        if kind is None or (kind.quantized is None and kind.number is None):
            return f"has tensors in the format {tensor.format if kind is None else kind.name}"
    try:
        check_kind(header.metadata)
    except TokenizerError as error:
        return f"has a tokenizer that is not supported: {error}"
    return None
