"""Chooses between this process and llama.cpp for a file, before either is loaded."""

import logging
from collections.abc import Callable
from dataclasses import dataclass, replace

from forefront.catalog.loaders.local_loader import LocalLoader
from forefront.catalog.loading.loaded_model import LoadedModel, LoadEstimate, ModelLoader, Progress
from forefront.catalog.sources.source import ModelSource, SourceError
from forefront.graph.errors import ModelFileError
from forefront.managed_engines.engine_choice import reason_for_llama_cpp
from forefront.managed_engines.errors import EngineNotInstalledError
from forefront.managed_engines.llama_cpp.installation import check_installed, is_installed
from forefront.managed_engines.model_header import read_model_header

log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class AutomaticLoader:
    """Loads a model into this process, or into llama.cpp where this process does not run it. `llama_cpp` makes that
    loader."""

    local: LocalLoader
    llama_cpp: Callable[[ModelSource], ModelLoader]

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
        return self.llama_cpp(source), reason
