"""Loads models into vLLM or SGLang, in child processes."""

from collections.abc import Callable
from dataclasses import dataclass
from importlib.metadata import PackageNotFoundError, version

from forefront.catalog.loaders.fingerprint import fingerprint, settings_files
from forefront.catalog.loading.loaded_model import Build, LoadedModel, LoadEstimate, Progress
from forefront.catalog.model_cache import ModelCache
from forefront.catalog.sources.source import ModelSource, SourceError
from forefront.engine.model.model import ModelOptions
from forefront.managed_engines.errors import EngineStartError
from forefront.managed_engines.gpu_servers import GpuServer, GpuServerOptions, load_gpu_server


@dataclass(frozen=True, slots=True)
class GpuServerLoader:
    """Loads a model into `server`. `fetch` returns the source with its files on this machine. `arguments`: of the
    engine."""

    server: GpuServer
    source: ModelSource
    cache: ModelCache
    fetch: Callable[[ModelSource, Progress], ModelSource]
    context_length: int | None = None
    arguments: tuple[str, ...] = ()

    def estimate(self) -> LoadEstimate:
        """See `ModelLoader.estimate`. Weights and KV cache are in the GPU's memory, which is not counted."""
        created = int(self.source.path.stat().st_mtime) if self.source.path.exists() else 0
        return LoadEstimate(0, created, self.context_length)

    def load(self, progress: Progress) -> LoadedModel:
        """See `ModelLoader.load`."""
        source = self.fetch(self.source, progress)
        options = GpuServerOptions(str(source.path), source.name, self.context_length, self.arguments)
        try:
            with progress.step(f"Reading {source.name}"):
                paths = [source.path] if source.is_gguf else sorted(source.path.glob("*.safetensors"))
                digest = self.cache.digest(paths)
                settings = self.cache.digest(settings_files(source))
            with progress.step(f"Starting {self.server.title} with {source.name}"):
                backend = load_gpu_server(self.server, options)
        except EngineStartError as error:
            raise SourceError(f"{source.path}: {error}") from None
        except OSError as error:
            raise SourceError(f"{error.filename or source.path}: it cannot be read: {error.strerror}") from error
        build = Build(f"sha256:{digest}", f"precision of {self.server.title}", _version(self.server))
        mark = fingerprint(build, f"{settings} {' '.join(self.arguments)}", ModelOptions(), None)
        return LoadedModel(backend, int(source.path.stat().st_mtime), mark, build, backend.memory_bytes())


def _version(server: GpuServer) -> str:
    """The engine's name, and its version if it is installed in this environment."""
    try:
        return f"{server.title} {version(server.program)}"
    except PackageNotFoundError:
        return server.title
