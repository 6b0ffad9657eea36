"""Loads GGUF files into llama.cpp, in a child process, and chooses between that and this process."""

import logging
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Final

from forefront.catalog.loaders.fingerprint import fingerprint
from forefront.catalog.loaders.local_loader import LocalLoader
from forefront.catalog.loaders.memory_estimate import estimate_memory
from forefront.catalog.loading.loaded_model import Build, LoadedModel, LoadEstimate, ModelLoader, Progress
from forefront.catalog.machine.cpus import limited_threads
from forefront.catalog.model_cache import ModelCache
from forefront.catalog.sources.source import ModelSource, SourceError
from forefront.engine.model.model import ModelOptions
from forefront.graph.errors import ModelFileError
from forefront.managed_engines.engine_choice import reason_for_llama_cpp
from forefront.managed_engines.errors import EngineNotInstalledError, EngineStartError
from forefront.managed_engines.llama_cpp.loading import (
    LlamaCppOptions,
    check_installed,
    engine_version,
    estimate,
    is_installed,
    load_llama_cpp,
)
from forefront.managed_engines.model_header import read_model_header

log = logging.getLogger(__name__)

# The precision in receipts: llama.cpp reports no details.
_PRECISION: Final = "weights as stored, precision of llama.cpp"


@dataclass(frozen=True, slots=True)
class LlamaCppLoader:
    """Loads a model into llama.cpp. `fetch` returns the source with its files on this machine. `arguments`: of the
    engine."""

    source: ModelSource
    cache: ModelCache
    options: ModelOptions
    fetch: Callable[[ModelSource, Progress], ModelSource]
    chat_template: str | None = None
    context_length: int | None = None
    arguments: tuple[str, ...] = ()

    def estimate(self) -> LoadEstimate:
        """See `ModelLoader.estimate`."""
        if self.source.remote is not None and not self.source.path.exists():
            return estimate_memory(self.source, self.options, self.context_length)
        if not self.source.is_gguf:
            raise SourceError(f"{self.source.path}: llama.cpp loads GGUF files only")
        try:
            header = read_model_header(self.source.path)
            size, context = estimate(header, self._engine_options(self.source))
        except (ModelFileError, EngineStartError) as error:
            raise SourceError(f"{self.source.path}: {error}") from None
        except OSError as error:
            raise SourceError(f"{error.filename or self.source.path}: it cannot be read: {error.strerror}") from None
        return LoadEstimate(size, int(self.source.path.stat().st_mtime), context)

    def load(self, progress: Progress) -> LoadedModel:
        """See `ModelLoader.load`."""
        source = self.fetch(self.source, progress)
        if not source.is_gguf:
            raise SourceError(f"{source.path}: llama.cpp loads GGUF files only")
        try:
            version = engine_version()
            with progress.step(f"Reading {source.name}"):
                header = read_model_header(source.path)
                digest = self.cache.digest(header.paths)
            with progress.step(f"Starting llama.cpp with {source.name}"):
                backend = load_llama_cpp(source.name, header, self._engine_options(source), self.chat_template)
        except (EngineStartError, ModelFileError) as error:
            raise SourceError(f"{source.path}: {error}") from None
        except OSError as error:
            raise SourceError(f"{error.filename or source.path}: it cannot be read: {error.strerror}") from error
        build = Build(f"sha256:{digest}", _PRECISION, version)
        settings = " ".join(self.arguments)
        size = max(backend.memory_bytes(), estimate(header, self._engine_options(source))[0])
        mark = fingerprint(build, settings, self.options, self.chat_template)
        return LoadedModel(backend, int(source.path.stat().st_mtime), mark, build, size)

    def _engine_options(self, source: ModelSource) -> LlamaCppOptions:
        options, arguments = self.options, self.arguments
        if source.projector is not None and not {"--mmproj", "-mm"} & set(arguments):
            arguments = (*arguments, "--mmproj", str(source.projector))
        return LlamaCppOptions(limited_threads(options.threads), options.kv_cache_bytes, self.context_length, arguments)


@dataclass(frozen=True, slots=True)
class AutomaticLoader:
    """Loads a model into this process, or into llama.cpp if the own engine does not support it."""

    local: LocalLoader
    llama_cpp: LlamaCppLoader

    def estimate(self) -> LoadEstimate:
        """See `ModelLoader.estimate`."""
        return self._choose(self.local.source)[0].estimate()

    def load(self, progress: Progress) -> LoadedModel:
        """See `ModelLoader.load`."""
        source = self.local.fetch(self.local.source, progress)
        loader, reason = self._choose(source)
        if reason is not None:
            log.info("%s is served by llama.cpp: the file %s", source.name, reason)
            try:
                check_installed()
            except EngineNotInstalledError as error:
                raise SourceError(f"{source.path}: the file {reason}, which needs llama.cpp; {error}") from None
        return loader.load(progress)

    def _choose(self, source: ModelSource) -> tuple[ModelLoader, str | None]:
        """The loader, and the reason if it is that of llama.cpp. A file that cannot be read is left to this process,
        which reports what is wrong with it. A vision model is served for text by this process without llama.cpp. Raises
        `SourceError` for a draft model with llama.cpp."""
        reason = None
        if source.projector is not None and is_installed():
            reason = "has a projector for images"
        elif source.is_gguf:
            try:
                reason = reason_for_llama_cpp(read_model_header(source.path))
            except (ModelFileError, OSError):
                reason = None
        if reason is None:
            return replace(self.local, source=source), None
        if self.local.draft is not None:
            raise SourceError(f"{source.path}: the file {reason}, so llama.cpp serves it, without a draft model")
        return replace(self.llama_cpp, source=source), reason
