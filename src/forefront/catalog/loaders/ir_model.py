"""A directory with a model in OpenVINO's IR form, exported elsewhere."""

from pathlib import Path

from forefront.catalog.loaders.generation_config import declared_end_tokens
from forefront.catalog.model_cache import MAX_CONTEXT, ModelCache, read_json
from forefront.catalog.sources.source import SourceError
from forefront.chat.local.loading import EmbeddingFacts, EmbeddingParts, ModelFacts, ModelParts
from forefront.engine.embedding.embedding_graph import Pooling
from forefront.engine.embedding.ir_graph import GraphError, outputs_hidden_states, read_embedding_ir
from forefront.engine.model.paged_graph import read_ir
from forefront.graph.errors import ModelFileError
from forefront.graph.hugging_face.sentence_transformers import read_modules
from forefront.graph.pooling import POOLINGS
from forefront.tokenizer.errors import TokenizerError
from forefront.tokenizer.files.load import load_tokenizer, missing_files
from forefront.tokenizer.tokenizer import Tokenizer

_FILES = ("openvino_model.xml", "openvino_model.bin")


def load_ir(directory: Path) -> ModelParts | EmbeddingParts:
    """Read the graph and the tokenizer. A graph that gives hidden states makes embeddings. Raises `SourceError`, and
    `RuntimeError` for what OpenVINO refuses."""
    facts, xml = read_facts(directory), directory / "openvino_model.xml"
    try:
        tokenizer = load_tokenizer(directory)
        if not outputs_hidden_states(xml):
            return ModelParts(read_ir(xml), tokenizer, facts)
        vocabulary = read_json(directory / "config.json").get("vocab_size")
        if type(vocabulary) is not int:
            raise GraphError("its configuration has no vocab_size")
        modules = read_modules(directory)
        if modules.tensors:
            raise GraphError("it has dense modules behind its pooling, which are not supported")
        number = modules.fields.get("pooling_type")
        pooling = Pooling.MEAN if number is None else POOLINGS[number]
        return EmbeddingParts(read_embedding_ir(xml, pooling, vocabulary), tokenizer, facts, EmbeddingFacts())
    except (TokenizerError, ModelFileError, GraphError) as error:
        raise SourceError(f"{directory}: {error}") from None


def read_ir_embedding_facts(directory: Path) -> EmbeddingFacts | None:
    """The facts of an embedding model; None for a model that generates text. Raises `RuntimeError` for what OpenVINO
    refuses."""
    return EmbeddingFacts() if outputs_hidden_states(directory / "openvino_model.xml") else None


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
    return ModelFacts(context, declared_end_tokens(directory))


def ir_digest(directory: Path, cache: ModelCache) -> str:
    """SHA-256 of the weights. Raises `OSError`."""
    return cache.digest([directory / "openvino_model.bin"])
