"""A GGUF file as a model: its graph, its tokenizer and what its metadata says."""

from typing import Any

from forefront.catalog.source import ModelSource, SourceError
from forefront.catalog.store import MAX_CONTEXT, Store
from forefront.chat.loading import ModelFacts, ModelParts
from forefront.graph.build import PACKING, BuiltGraph, build_graph, find_family
from forefront.graph.errors import ModelFileError
from forefront.graph.gguf_file import GgufFile
from forefront.graph.settings import Settings
from forefront.graph.weight_file import is_complete
from forefront.tokenizer.errors import TokenizerError
from forefront.tokenizer.gguf import gguf_tokenizer


class GgufModel:
    """The file behind `source`. Raises `SourceError`, whose text names the file."""

    def __init__(self, source: ModelSource, store: Store, *, exact: bool) -> None:
        self._source, self._store, self._exact = source, store, exact
        try:
            self._file = GgufFile(source.path)
            self.digest = store.digest(self._file.paths)
        except ModelFileError as error:
            raise SourceError(f"{source.path}: {error}") from None
        except OSError as error:
            raise SourceError(f"{source.path}: it cannot be read: {error.strerror}") from error
        self._folder = f"{self.digest[:32]}-{PACKING}{'-exact' if exact else ''}"

    @property
    def is_prepared(self) -> bool:
        """Whether its matrices have been packed before, for a model served in the same way."""
        return is_complete(self._store.models / self._folder)

    def load(self) -> tuple[ModelParts, BuiltGraph]:
        """Pack its matrices if need be, and build the graph. Raises `SourceError`."""
        try:
            facts = read_facts(self._file.metadata)
            # What it refuses is better refused before the matrices are packed.
            tokenizer = gguf_tokenizer(self._file.metadata)
            with self._store.folder(self._folder, is_complete) as folder:
                built = build_graph(self._file, folder, exact=self._exact)
            return ModelParts(built.graph, tokenizer, facts), built
        except (ModelFileError, TokenizerError) as error:
            raise SourceError(f"{self._source.path}: {error}") from None
        except OSError as error:
            reason = f"{self._store.models}: {error.strerror}"
            raise SourceError(f"{self._source.path}: its weights cannot be kept in {reason}") from error


def read_facts(metadata: dict[str, Any]) -> ModelFacts:
    """The context; the tokenizer has the tokens that end an answer. Raises `ModelFileError`, also for an adapter, a
    projector or a model of an architecture that is not known."""
    kind = metadata.get("general.type", "model")
    if kind != "model":
        raise ModelFileError(f"it is not a model of its own: its general.type is {repr(kind)[:40]}")
    settings = Settings(metadata)
    find_family(settings)
    if settings.context_length > MAX_CONTEXT:
        raise ModelFileError(f"its context_length is {settings.context_length}; {MAX_CONTEXT} tokens are the most")
    return ModelFacts(settings.context_length)
