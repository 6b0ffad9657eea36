"""From a model source to a served model."""

import logging
from collections.abc import Callable, Iterator
from contextlib import contextmanager, nullcontext
from dataclasses import dataclass, replace
from functools import partial
from importlib.metadata import version
from typing import TypeVar

from forefront.catalog.loaders.fingerprint import fingerprint, settings_files
from forefront.catalog.loaders.gguf_model import GgufModel
from forefront.catalog.loaders.ir_model import (
    ir_digest,
    load_ir,
    load_ir_tokenizer,
    read_facts,
    read_ir_embedding_facts,
)
from forefront.catalog.loaders.memory_estimate import estimate_memory
from forefront.catalog.loaders.prepared_model import PreparedModel
from forefront.catalog.loading.loaded_model import Build, LoadedModel, LoadEstimate, Progress
from forefront.catalog.machine.cpus import limited_threads
from forefront.catalog.model_cache import ModelCache
from forefront.catalog.sources.source import ModelSource, SourceError
from forefront.catalog.tuning.tuning_store import Tunings
from forefront.chat.local.embedding_backend import EmbeddingBackend
from forefront.chat.local.loading import (
    EmbeddingEngineParts,
    EmbeddingFacts,
    EmbeddingParts,
    EngineParts,
    LoadError,
    ModelFacts,
    ModelOptions,
    ModelParts,
    load_backend,
    load_embedding_backend,
    load_embedding_engine,
    load_engine,
)
from forefront.chat.local.local_backend import LocalBackend
from forefront.engine.model.model import effective_options
from forefront.engine.model.openvino_import import error_summary
from forefront.tokenizer.tokenizer import Tokenizer

T = TypeVar("T")

_log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class LocalLoader:
    """Loads a model into this process. `fetch` returns the source with its files on this machine. `draft` loads a
    smaller model that drafts for it."""

    source: ModelSource
    cache: ModelCache
    options: ModelOptions
    fetch: Callable[[ModelSource, Progress], ModelSource]
    chat_template: str | None = None
    context_length: int | None = None
    draft: "LocalLoader | None" = None

    def estimate(self) -> LoadEstimate:
        """See `ModelLoader.estimate`."""
        estimate = estimate_memory(self.source, self.options, self.context_length)
        if self.draft is None:
            return estimate
        return replace(estimate, memory_bytes=estimate.memory_bytes + self.draft.estimate().memory_bytes)

    def load(self, progress: Progress) -> LoadedModel:
        """See `ModelLoader.load`."""
        source = self.fetch(self.source, progress)
        draft = None if self.draft is None else self.draft.load_draft(progress)
        loaded = load(source, self.cache, self.options, progress, self.chat_template, self.context_length, draft)
        if self.draft is None or loaded.memory_bytes is None:
            return loaded
        return replace(loaded, memory_bytes=loaded.memory_bytes + self.draft.estimate().memory_bytes)

    def load_draft(self, progress: Progress) -> ModelParts:
        """The parts of a draft model. Raises `SourceError`."""
        return load_draft(self.fetch(self.source, progress), self.cache, self.options, progress)


@dataclass(frozen=True, slots=True)
class LoadedParts:
    """`digest`: of the model's files. `weights`: the precision of the weights. `options`: of the compilation."""

    parts: ModelParts | EmbeddingParts
    digest: str
    weights: str
    options: ModelOptions


def load(
    source: ModelSource,
    cache: ModelCache,
    options: ModelOptions,
    progress: Progress,
    chat_template: str | None = None,
    context_length: int | None = None,
    draft: ModelParts | None = None,
) -> LoadedModel:
    """Prepare the model's weights if need be, and load it.

    `chat_template` takes the place of the model's own. `context_length` is a smaller context than the model's. `draft`
    is a smaller model. Raises `SourceError`, whose text names the file.
    """
    arguments = LoadArguments(source, cache, options, chat_template, context_length)
    backend, build, mark, options = _load(arguments, progress, Tunings(cache.home), partial(_backend, draft=draft))
    size = estimate_memory(source, options, context_length).memory_bytes
    return LoadedModel(backend, int(source.path.stat().st_mtime), mark, build, size)


def load_draft(source: ModelSource, cache: ModelCache, options: ModelOptions, progress: Progress) -> ModelParts:
    """The parts of a draft model, its weights prepared. Raises `SourceError`."""
    with _source_errors(source):
        parts = load_parts(source, cache, options, progress).parts
    if not isinstance(parts, ModelParts):
        raise SourceError(f"{source.path}: an embedding model cannot draft")
    return parts


@dataclass(frozen=True, slots=True)
class LoadedEngine:
    """An engine without the text around it, and its identity as in `LoadedModel`."""

    parts: EngineParts | EmbeddingEngineParts
    created: int
    fingerprint: str
    build: Build


def load_token_engine(
    source: ModelSource,
    cache: ModelCache,
    options: ModelOptions,
    progress: Progress,
    chat_template: str | None = None,
    context_length: int | None = None,
    draft: ModelParts | None = None,
) -> LoadedEngine:
    """The same as `load`, for a replica on a cluster, which handles tokens alone. A node's tuning is left out: replicas
    must compute alike. Raises `SourceError`."""
    arguments = LoadArguments(source, cache, options, chat_template, context_length)
    parts, build, mark, _ = _load(arguments, progress, None, partial(_engine_parts, draft=draft))
    return LoadedEngine(parts, int(source.path.stat().st_mtime), mark, build)


@dataclass(frozen=True, slots=True)
class ModelText:
    """The tokenizer of a model and the facts beside it, read without its weights. `embedding` is None for a model that
    generates text."""

    tokenizer: Tokenizer
    facts: ModelFacts
    embedding: EmbeddingFacts | None = None


def read_text(source: ModelSource, cache: ModelCache, context_length: int | None = None) -> ModelText:
    """The text side of a model, for a server whose replicas run elsewhere. Raises `SourceError`."""
    with _source_errors(source):
        if source.is_ir:
            facts, tokenizer = read_facts(source.path), load_ir_tokenizer(source.path)
            embedding = read_ir_embedding_facts(source.path)
        else:
            tokenizer, facts, embedding = _open_model(source, cache).text()
        if context_length is not None:
            facts = replace(facts, context_length=min(facts.context_length, context_length))
    return ModelText(tokenizer, facts, embedding)


def check_files(source: ModelSource, cache: ModelCache) -> None:
    """Raises `SourceError` for files that replicas cannot run as a model."""
    with _source_errors(source):
        if source.is_ir:
            read_facts(source.path)
        else:
            _open_model(source, cache)


def weights_digest(source: ModelSource, cache: ModelCache) -> str:
    """The hash of the weights, as in `Build`, of a model for a cluster. Reads all of the files the first time. Raises
    `SourceError`."""
    with _source_errors(source):
        if source.is_ir:
            read_facts(source.path)
            return f"sha256:{ir_digest(source.path, cache)}"
        return f"sha256:{_open_model(source, cache).digest}"


def _open_model(source: ModelSource, cache: ModelCache) -> PreparedModel:
    """A model from GGUF or Hugging Face files. Raises `SourceError`."""
    model = _kind_of(source)(source, cache, exact=True)
    model.check_architecture()
    return model


def _kind_of(source: ModelSource) -> type[PreparedModel]:
    if source.is_gguf:
        return GgufModel
    # Imported here because servers of GGUF files start sooner without it.
    from forefront.catalog.loaders.hf_model import HfModel

    return HfModel


@dataclass(frozen=True, slots=True)
class LoadArguments:
    """The arguments of `load`."""

    source: ModelSource
    cache: ModelCache
    options: ModelOptions
    chat_template: str | None
    context_length: int | None


@contextmanager
def _source_errors(source: ModelSource) -> Iterator[None]:
    """Turn failures while a model is read or loaded into a `SourceError` that names the file."""
    try:
        yield
    except LoadError as error:
        raise SourceError(f"{source.path}: {error}") from error
    except OSError as error:
        raise SourceError(f"{error.filename or source.path}: it cannot be read: {error.strerror}") from error
    except RuntimeError as error:  # what OpenVINO raises for everything
        raise SourceError(f"{source.path}: OpenVINO cannot load it: {error_summary(error)}") from error


def _load(
    arguments: LoadArguments,
    progress: Progress,
    tunings: Tunings | None,
    create: Callable[[ModelParts | EmbeddingParts, ModelOptions, str | None], T],
) -> tuple[T, Build, str, ModelOptions]:
    """The result of `create` for the model's parts, its build, its fingerprint, and the options used."""
    source, cache, chat_template = arguments.source, arguments.cache, arguments.chat_template
    with _source_errors(source):
        loaded = load_parts(source, cache, arguments.options, progress, tunings)
        options = loaded.options
        settings = cache.digest(settings_files(source))
        parts = _with_context(loaded.parts, arguments.context_length)
        with progress.step(f"Loading {source.name}"):
            created = create(parts, options, chat_template)
    build = Build(f"sha256:{loaded.digest}", _precision(loaded.weights, options), _engine())
    return created, build, fingerprint(build, settings, options, chat_template), options


def _engine_parts(
    parts: ModelParts | EmbeddingParts, options: ModelOptions, chat_template: str | None, draft: ModelParts | None
) -> EngineParts | EmbeddingEngineParts:
    """Raises `LoadError`."""
    if isinstance(parts, EmbeddingParts):
        return load_embedding_engine(parts, options)
    return load_engine(parts, options, chat_template, draft)


def load_parts(
    source: ModelSource, cache: ModelCache, options: ModelOptions, progress: Progress, tunings: Tunings | None = None
) -> LoadedParts:
    """The model before it is compiled, its weights prepared. `tunings` may change the options. Raises `SourceError`."""
    if source.is_ir:
        if options.quantize_weights:
            raise SourceError(f"{source.path}: OpenVINO IR cannot be quantised at load; export it quantised")
        digest = ir_digest(source.path, cache)
        options = _tuned(source, tunings, lambda: digest, options)
        return LoadedParts(load_ir(source.path), digest, "weights as stored", options)
    with progress.step(f"Reading {source.name}"):
        model = _kind_of(source)(
            source, cache, exact=not options.quantize_activations, quantize=options.quantize_weights
        )
        model.prepare_digest()
    options = _tuned(source, tunings, lambda: model.digest, options)
    model.use_precision(options.inference_precision)
    preparing = f"Preparing {source.name} for this machine (once)"
    with nullcontext() if model.is_prepared else progress.step(preparing):
        parts, weights = model.load()
    if isinstance(parts, ModelParts):
        options = effective_options(parts.graph, options)
    return LoadedParts(parts, model.digest, weights, options)


def _tuned(
    source: ModelSource, tunings: Tunings | None, digest: Callable[[], str], options: ModelOptions
) -> ModelOptions:
    """The options with the results of `forefront tune`, and with no more threads than there are CPUs."""
    tuning = None if tunings is None or tunings.is_empty else tunings.find(digest())
    if tuning is not None:
        _log.info("%s: tuned on this machine, with %s", source.name, tuning.describe())
        options = tuning.apply(options)
    return replace(options, threads=limited_threads(options.threads))


def _backend(
    parts: ModelParts | EmbeddingParts, options: ModelOptions, chat_template: str | None, draft: ModelParts | None
) -> LocalBackend | EmbeddingBackend:
    """Raises `LoadError`."""
    if isinstance(parts, EmbeddingParts):
        return load_embedding_backend(parts, options)
    return load_backend(parts, options, chat_template, draft)


def _with_context(parts: ModelParts | EmbeddingParts, context_length: int | None) -> ModelParts | EmbeddingParts:
    """The parts with a smaller context. Raises `LoadError` for one larger than the model's."""
    if context_length is None:
        return parts
    if context_length > parts.facts.context_length:
        text = f"its context has {parts.facts.context_length} tokens, fewer than the configured {context_length}"
        raise LoadError(text)
    return replace(parts, facts=replace(parts.facts, context_length=context_length))


def _precision(weights: str, options: ModelOptions) -> str:
    activations = "8-bit activations" if options.quantize_activations else "full activations"
    device = "" if options.device == "CPU" else f", {options.device}"
    return f"{weights}, {options.inference_precision}, {activations}, {options.kv_precision} KV cache{device}"


def _engine() -> str:
    return f"forefront {version('forefront')}, openvino {version('openvino')}"
