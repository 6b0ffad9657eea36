"""A directory with a model in OpenVINO's IR form, exported elsewhere."""

from pathlib import Path

from forefront.catalog.generation_config import end_tokens
from forefront.catalog.model_cache import MAX_CONTEXT, ModelCache, read_json
from forefront.catalog.source import SourceError
from forefront.chat.local.loading import ModelFacts, ModelParts
from forefront.engine.model.paged_graph import read_ir
from forefront.tokenizer.errors import TokenizerError
from forefront.tokenizer.load import load_tokenizer, missing_files
from forefront.tokenizer.tokenizer import Tokenizer

_FILES = ("openvino_model.xml", "openvino_model.bin")


def load_ir(directory: Path) -> ModelParts:
    """Read the graph and the tokenizer. Raises `SourceError`, and `RuntimeError` for what OpenVINO refuses."""
    facts, tokenizer = read_facts(directory), load_ir_tokenizer(directory)
    return ModelParts(read_ir(directory / "openvino_model.xml"), tokenizer, facts)


def load_ir_tokenizer(directory: Path) -> Tokenizer:
    """Read the tokenizer alone. Raises `SourceError`."""
    try:
        return load_tokenizer(directory)
    except TokenizerError as error:
        raise SourceError(f"{directory}: {error}") from None


def read_facts(directory: Path) -> ModelFacts:
    """The model's settings in the directory's configuration. Raises `SourceError`."""
    missing = [*(name for name in _FILES if not (directory / name).is_file()), *missing_files(directory)]
    if missing:
        raise SourceError(f"{directory}: {', '.join(missing)} is missing")
    context = read_json(directory / "config.json").get("max_position_embeddings")
    if type(context) is not int or not 1 <= context <= MAX_CONTEXT:
        text = f"its configuration has no context length between 1 and {MAX_CONTEXT} tokens"
        raise SourceError(f"{directory}: {text}")
    return ModelFacts(context, end_tokens(directory))


def ir_digest(directory: Path, cache: ModelCache) -> str:
    """SHA-256 of the weights. Raises `OSError`."""
    return cache.digest([directory / "openvino_model.bin"])
