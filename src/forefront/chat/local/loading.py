"""From a model's graph and tokenizer to a `LocalBackend`."""

from dataclasses import dataclass, replace
from typing import Final

from forefront.chat.grammar.compiler import Grammars
from forefront.chat.grammar.structured_output import StructuredOutput
from forefront.chat.grammar.vocabulary import Vocabulary
from forefront.chat.local.embedding_backend import EmbeddingBackend, EmbeddingFacts
from forefront.chat.local.local_backend import LocalBackend
from forefront.chat.local.preparation import ModelLimits, RequestPreparer
from forefront.chat.local.token_engine import TokenEngine
from forefront.chat.model_format import ModelFormat
from forefront.chat.prompt.chat_template import ChatTemplate, TemplateError
from forefront.chat.prompt.context_limit import PromptSizeLimit
from forefront.chat.prompt.prompt_builder import PromptBuilder
from forefront.engine.embedding.embedding_engine import EmbeddingEngine
from forefront.engine.embedding.embedding_graph import EmbeddingGraph
from forefront.engine.embedding.embedding_model import EmbeddingModel, EmbeddingShape
from forefront.engine.engine import Engine
from forefront.engine.model.device import DeviceError, find_device
from forefront.engine.model.model import ModelOptions, PagedModel
from forefront.engine.model.openvino_import import error_summary
from forefront.engine.model.paged_graph import PagedGraph
from forefront.engine.scheduling.scheduler import SchedulerLimits
from forefront.engine.speculation.drafter_factory import create_drafter
from forefront.tokenizer.tokenizer import Tokenizer

__all__ = [
    "DeviceError",
    "EmbeddingEngineParts",
    "EmbeddingFacts",
    "EmbeddingParts",
    "EngineParts",
    "LoadError",
    "ModelFacts",
    "ModelOptions",
    "ModelParts",
    "create_preparer",
    "find_device",
    "find_end_tokens",
    "load_backend",
    "load_embedding_backend",
    "load_embedding_engine",
    "load_engine",
]

# The minimum ratio of the model's KV cache to the draft model's.
DRAFT_KV_SHARE: Final = 8


@dataclass(frozen=True, slots=True)
class ModelFacts:
    """Facts that neither graph nor tokenizer hold: the context in tokens, and more tokens that end an answer."""

    context_length: int
    end_tokens: frozenset[int] = frozenset()


@dataclass(frozen=True, slots=True)
class ModelParts:
    """A model before it is compiled."""

    graph: PagedGraph
    tokenizer: Tokenizer
    facts: ModelFacts


@dataclass(frozen=True, slots=True)
class EmbeddingParts:
    """An embedding model before it is compiled."""

    graph: EmbeddingGraph
    tokenizer: Tokenizer
    facts: ModelFacts
    embedding_facts: EmbeddingFacts


@dataclass(frozen=True, slots=True)
class EngineParts:
    """An engine without the text around it. `model` and `draft` are to be closed once the engine has stopped."""

    engine: Engine
    model: PagedModel
    tokenizer: Tokenizer
    grammars: Grammars
    end_tokens: frozenset[int]
    draft: PagedModel | None = None


@dataclass(frozen=True, slots=True)
class EmbeddingEngineParts:
    """The engine of an embedding model, which owns the model, and its tokenizer."""

    engine: EmbeddingEngine
    shape: EmbeddingShape
    tokenizer: Tokenizer


class LoadError(Exception):
    """A model cannot be served. The message is written for the operator."""


def load_backend(
    parts: ModelParts, options: ModelOptions, chat_template: str | None = None, draft: ModelParts | None = None
) -> LocalBackend:
    """Compile the model; takes seconds.

    `chat_template` replaces that of the model. A model without a template takes no messages. `draft` is a smaller model
    with the same tokens. Raises `LoadError`.
    """
    model = _compile(parts, options)
    draft_model = None if draft is None else _load_draft(draft, parts.tokenizer, model, options)

    def free() -> None:
        for loaded in (model, draft_model):
            if loaded is not None:
                loaded.close()

    engine = _create_engine(model, options, draft_model)
    preparer = create_preparer(engine, parts.tokenizer, chat_template, parts.facts.end_tokens)
    return LocalBackend(engine, preparer, free)


def load_engine(
    parts: ModelParts, options: ModelOptions, chat_template: str | None = None, draft: ModelParts | None = None
) -> EngineParts:
    """The same without the parts that turn text into tokens and back. Raises `LoadError`."""
    tokenizer = parts.tokenizer
    model = _compile(parts, options)
    draft_model = None if draft is None else _load_draft(draft, tokenizer, model, options)
    _, _, end_tokens = _text_parts(tokenizer, chat_template, parts.facts.end_tokens, model.vocabulary_size)
    grammars = Grammars(Vocabulary(tokenizer.pieces, tokenizer.control, end_tokens))
    engine = _create_engine(model, options, draft_model)
    return EngineParts(engine, model, tokenizer, grammars, end_tokens, draft_model)


def _create_engine(model: PagedModel, options: ModelOptions, draft_model: PagedModel | None) -> Engine:
    limits = SchedulerLimits(
        inter_token_latency=options.inter_token_latency, first_token_latency=options.first_token_latency
    )
    return Engine(model, limits, create_drafter(options, draft_model))


def find_end_tokens(
    tokenizer: Tokenizer, chat_template: str | None, named: frozenset[int], vocabulary_size: int
) -> frozenset[int]:
    """The tokens that end an answer; `named` are those that the model's files name. Raises `LoadError`."""
    return _text_parts(tokenizer, chat_template, named, vocabulary_size)[2]


def create_preparer(
    engine: TokenEngine,
    tokenizer: Tokenizer,
    chat_template: str | None = None,
    named_end_tokens: frozenset[int] = frozenset(),
) -> RequestPreparer:
    """The preparation of requests for an engine. `chat_template` as for `load_backend`; `named_end_tokens` are those
    that the model's files name. Raises `LoadError`."""
    parts = _text_parts(tokenizer, chat_template, named_end_tokens, engine.vocabulary_size)
    return _preparer(engine, tokenizer, *parts)


def _compile(parts: ModelParts, options: ModelOptions) -> PagedModel:
    try:
        return PagedModel(parts.graph, parts.facts.context_length, options)
    except RuntimeError as error:  # what OpenVINO raises for everything
        raise LoadError(f"OpenVINO cannot load it: {error_summary(error)}") from error


def _load_draft(draft: ModelParts, tokenizer: Tokenizer, model: PagedModel, options: ModelOptions) -> PagedModel:
    """The draft model, with an eighth of the model's KV cache at most. Raises `LoadError`."""
    if list(draft.tokenizer.pieces) != list(tokenizer.pieces) or draft.tokenizer.control != tokenizer.control:
        raise LoadError("its draft model has another vocabulary; both models need the same tokens")
    options = replace(options, kv_cache_bytes=options.kv_cache_bytes // DRAFT_KV_SHARE)
    context = min(draft.facts.context_length, model.context_length)
    try:
        draft_model = PagedModel(draft.graph, context, options)
    except RuntimeError as error:  # what OpenVINO raises for everything
        raise LoadError(f"OpenVINO cannot load its draft model: {error_summary(error)}") from error
    # Drafts must contain only tokens of the model, and both models need equal block hashes.
    if draft_model.vocabulary_size > model.vocabulary_size or draft_model.block_size != model.block_size:
        raise LoadError("its draft model has a larger matrix of embeddings, or KV blocks of another size")
    return draft_model


def _text_parts(
    tokenizer: Tokenizer, chat_template: str | None, named: frozenset[int], vocabulary_size: int
) -> tuple[ChatTemplate | None, ModelFormat, frozenset[int]]:
    template = _template(tokenizer, chat_template)
    model_format = ModelFormat(template, tokenizer)
    end_tokens = model_format.end_tokens(named | tokenizer.end_tokens)
    _check_vocabulary(len(tokenizer.pieces), vocabulary_size, end_tokens)
    return template, model_format, end_tokens


def _preparer(
    engine: TokenEngine,
    tokenizer: Tokenizer,
    template: ChatTemplate | None,
    model_format: ModelFormat,
    end_tokens: frozenset[int],
) -> RequestPreparer:
    structured_output = StructuredOutput(
        Grammars(Vocabulary(tokenizer.pieces, tokenizer.control, end_tokens)), model_format
    )
    bound = PromptSizeLimit(engine.context_limit, tokenizer.longest)
    prompts = None if template is None else PromptBuilder(tokenizer, template, bound)
    predictions = engine.takes_predictions
    limits = ModelLimits(engine.context_limit, bound, engine.vocabulary_size, end_tokens, predictions)
    return RequestPreparer(tokenizer, prompts, model_format, structured_output, limits)


def load_embedding_backend(parts: EmbeddingParts, options: ModelOptions) -> EmbeddingBackend:
    """Compile the model; takes seconds. Raises `LoadError`."""
    loaded = load_embedding_engine(parts, options)
    return EmbeddingBackend(loaded.engine, loaded.shape, parts.tokenizer, parts.embedding_facts)


def load_embedding_engine(parts: EmbeddingParts, options: ModelOptions) -> EmbeddingEngineParts:
    """The same without the parts that handle text. Raises `LoadError`."""
    try:
        model = EmbeddingModel(parts.graph, parts.facts.context_length, options)
    except RuntimeError as error:  # what OpenVINO raises for everything
        raise LoadError(f"OpenVINO cannot load it: {error_summary(error)}") from error
    _check_vocabulary(len(parts.tokenizer.pieces), model.shape.vocabulary_size, frozenset())
    return EmbeddingEngineParts(EmbeddingEngine(model), model.shape, parts.tokenizer)


def _check_vocabulary(size: int, rows: int, end_tokens: frozenset[int]) -> None:
    """Raises `LoadError` if the tokenizer has more tokens (`size`) than the graph (`rows`), or others end an answer."""
    if strange := [token for token in end_tokens if not 0 <= token < size]:
        raise LoadError(f"token {strange[0]} is to end answers, but its vocabulary has {size} tokens")
    if size > rows:
        raise LoadError(f"its vocabulary has {size} tokens, but its matrix of embeddings only {rows}")


def _template(tokenizer: Tokenizer, given: str | None) -> ChatTemplate | None:
    source = given or tokenizer.chat_template
    if not source:
        return None
    try:
        return ChatTemplate(source, bos_token=tokenizer.bos_token, eos_token=tokenizer.eos_token)
    except TemplateError as error:
        raise LoadError(str(error)) from None
