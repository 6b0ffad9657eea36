"""A model that an engine of another project serves, in a child process."""

from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass
from typing import Final

from forefront.catalog.catalog import Build, ServedModel
from forefront.catalog.fingerprint import fingerprint
from forefront.catalog.model_cache import ModelCache
from forefront.catalog.model_settings import Engine
from forefront.catalog.source import ModelSource, SourceError
from forefront.engine.model.model import ModelOptions
from forefront.engines.choice import reason_for_llama_cpp
from forefront.engines.errors import EngineStartError
from forefront.engines.llama_cpp.loading import LlamaCppOptions, engine_version, load_llama_cpp
from forefront.engines.model_header import read_model_header
from forefront.graph.errors import ModelFileError

# As the receipt names it: llama.cpp reports no more.
_PRECISION: Final = "weights as stored, precision of llama.cpp"


@dataclass(frozen=True, slots=True)
class EngineSettings:
    """The engine of a model, and arguments for one of another project."""

    name: Engine = "auto"
    arguments: Sequence[str] = ()


AUTOMATIC: Final = EngineSettings()


def find_other_engine(source: ModelSource, engine: Engine) -> str | None:
    """The reason why llama.cpp serves the model; None if this project's engine does. Raises `SourceError`."""
    if engine == "forefront":
        return None
    if not source.is_gguf:
        if engine == "llama.cpp":
            raise SourceError(f"{source.path}: llama.cpp loads GGUF files only")
        return None
    if engine == "llama.cpp":
        return "its settings choose it"
    try:
        reason = reason_for_llama_cpp(read_model_header(source.path))
    except (ModelFileError, OSError):
        return None  # the engine of this project reports what is wrong with the file
    return None if reason is None else f"the file {reason}"


def load_engine_model(
    source: ModelSource,
    cache: ModelCache,
    options: ModelOptions,
    progress: Callable[[str], AbstractContextManager[object]],
    chat_template: str | None,
    context_length: int | None,
    arguments: Sequence[str],
) -> ServedModel:
    """Start llama.cpp with the model. Raises `SourceError`, whose text names the file."""
    wanted = LlamaCppOptions(options.threads, options.kv_cache_bytes, context_length, arguments)
    try:
        engine = engine_version()
        with progress(f"Reading {source.name}"):
            header = read_model_header(source.path)
            digest = cache.digest(header.paths)
        with progress(f"Starting llama.cpp with {source.name}"):
            backend = load_llama_cpp(source.name, header, wanted, chat_template)
    except (EngineStartError, ModelFileError) as error:
        raise SourceError(f"{source.path}: {error}") from None
    except OSError as error:
        raise SourceError(f"{error.filename or source.path}: it cannot be read: {error.strerror}") from error
    build = Build(f"sha256:{digest}", _PRECISION, engine)
    created = int(source.path.stat().st_mtime)
    return ServedModel(
        source.name, backend, created, fingerprint(build, " ".join(arguments), options, chat_template), build
    )
