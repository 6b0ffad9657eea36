"""Loads GGUF files into llama.cpp, in a child process."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Final

from forefront.catalog.loaders.fingerprint import fingerprint
from forefront.catalog.loaders.memory_estimate import estimate_memory
from forefront.catalog.loading.loaded_model import Build, LoadedModel, LoadEstimate, Progress
from forefront.catalog.machine.cpus import limited_threads
from forefront.catalog.model_cache import ModelCache
from forefront.catalog.sources.source import ModelSource, SourceError
from forefront.engine.model.model import ModelOptions
from forefront.graph.errors import ModelFileError
from forefront.managed_engines.errors import EngineStartError
from forefront.managed_engines.llama_cpp.installation import engine_version
from forefront.managed_engines.llama_cpp.loading import LlamaCppOptions, estimate, load_llama_cpp
from forefront.managed_engines.model_header import read_model_header

# As the receipt names it: llama.cpp reports no more.
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
