"""A model whose weights are packed once for this machine, from files of either kind."""

import logging
from abc import ABC, abstractmethod
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from forefront.catalog.file_digest import FileDigest
from forefront.catalog.model_cache import DIGEST_LENGTH, MAX_CONTEXT, ModelCache, file_version
from forefront.catalog.sources.source import ModelSource, SourceError
from forefront.chat.local.loading import EmbeddingFacts, EmbeddingParts, ModelFacts, ModelParts
from forefront.chat.local.rerank_prompt import QWEN3
from forefront.graph.build import (
    PACKING,
    build_embedding_graph,
    build_graph,
    find_family,
    is_embedding_model,
)
from forefront.graph.errors import ModelFileError
from forefront.graph.model_file import ModelFile
from forefront.graph.packing.weight_file import StaleWeightsError, is_complete
from forefront.graph.pooling import ranks, supports_shortening
from forefront.graph.settings import Settings
from forefront.tokenizer.errors import TokenizerError
from forefront.tokenizer.tokenizer import Tokenizer
from forefront.tokenizer.vocabulary.saved_merges import SavedMerges

_log = logging.getLogger(__name__)


class PreparedModel(ABC):
    """The model in the files of `source`. `exact`: no format is rounded again for speed. `quantize`: "int8" or "int4"
    for matrices that are not quantised yet, or "". `precision`: of computation. Raises `SourceError`, whose text names
    the file.
    """

    def __init__(
        self, source: ModelSource, cache: ModelCache, *, exact: bool, quantize: str = "", precision: str = "f32"
    ) -> None:
        self._source, self._cache = source, cache
        self._exact, self._quantize, self._precision = exact, quantize, precision
        try:
            self._file, self._paths = self._open(source.path)
            self._versions = [file_version(path) for path in self._paths]
            self._digest = FileDigest(cache, self._paths)
        except ModelFileError as error:
            raise SourceError(f"{source.path}: {error}") from None
        except OSError as error:
            raise SourceError(f"{source.path}: it cannot be read: {error.strerror}") from error

    @property
    def digest(self) -> str:
        """SHA-256 of its files. Slow unless cached. Raises `SourceError`."""
        with self._reading():
            return self._digest.value()

    def prepare_digest(self) -> None:
        """Start to compute the digest. Blocks if these files may have been packed. Raises `SourceError`."""
        with self._reading():
            self._digest.prepare()

    @contextmanager
    def _reading(self) -> Iterator[None]:
        try:
            yield
        except OSError as error:
            raise SourceError(f"{self._source.path}: it cannot be read: {error.strerror}") from error

    def use_precision(self, precision: str) -> None:
        """Compute in another precision than that of the constructor."""
        self._precision = precision

    @property
    def _folder(self) -> str:
        precision = self._precision if self._precision != "f32" else ""
        marks = [str(PACKING), "exact" if self._exact else "", self._quantize, precision]
        return "-".join([self.digest[:DIGEST_LENGTH], *filter(None, marks)])

    @property
    def is_prepared(self) -> bool:
        """Whether its matrices are already packed for these options. Raises `SourceError`."""
        self.prepare_digest()
        return self._digest.is_known and is_complete(self._cache.models / self._folder)

    def check_architecture(self) -> None:
        """Raises `SourceError` for a model of an architecture that is not known."""
        try:
            context_length(self._file.metadata)
        except ModelFileError as error:
            raise SourceError(f"{self._source.path}: {error}") from None

    def text(self) -> tuple[Tokenizer, ModelFacts, EmbeddingFacts | None]:
        """The tokenizer and the facts beside it, without the weights. The third are None for a model that generates
        text. Raises `SourceError`."""
        try:
            settings, tokenizer = Settings(self._file.metadata), self._tokenizer()
            facts = ModelFacts(context_length(self._file.metadata), self._end_tokens())
            embeds = is_embedding_model(settings)
            return tokenizer, facts, self._embedding_facts(settings, tokenizer) if embeds else None
        except (ModelFileError, TokenizerError) as error:
            raise SourceError(f"{self._source.path}: {error}") from None

    def load(self) -> tuple[ModelParts | EmbeddingParts, str]:
        """Pack its matrices if need be, and build the graph. The precision of the weights is the second value. The
        digest of files that have not been seen before is computed meanwhile. Raises `SourceError`."""
        self.prepare_digest()
        try:
            facts = ModelFacts(context_length(self._file.metadata), self._end_tokens())
            # Errors should be raised before the matrices are packed.
            tokenizer = self._tokenizer()
            try:
                return self._build(tokenizer, facts)
            except StaleWeightsError as error:
                _log.warning("%s: %s; they are packed again", self._source.path, error)
                self._cache.discard(self._folder)
                return self._build(tokenizer, facts)
        except (ModelFileError, TokenizerError) as error:
            raise SourceError(f"{self._source.path}: {error}") from None
        except OSError as error:
            reason = f"{self._cache.models}: {error.strerror}"
            raise SourceError(f"{self._source.path}: its weights cannot be kept in {reason}") from error

    def _build(self, tokenizer: Tokenizer, facts: ModelFacts) -> tuple[ModelParts | EmbeddingParts, str]:
        """Raises `ModelFileError` and `OSError`."""
        settings = Settings(self._file.metadata)
        name = self._folder if self._digest.is_known else lambda: self._folder
        with self._cache.folder(name, is_complete) as folder:
            if is_embedding_model(settings):
                vectors = build_embedding_graph(
                    self._file, folder, exact=self._exact, quantize=self._quantize, precision=self._precision
                )
                embedding_facts = self._embedding_facts(settings, tokenizer)
                self._check_unchanged()
                return EmbeddingParts(vectors.graph, tokenizer, facts, embedding_facts), vectors.precision
            built = build_graph(
                self._file, folder, exact=self._exact, quantize=self._quantize, precision=self._precision
            )
            self._check_unchanged()
        return ModelParts(built.graph, tokenizer, facts), built.precision

    def _check_unchanged(self) -> None:
        """The files that have been packed are those of the digest. Raises `ModelFileError` and `SourceError`."""
        with self._reading():
            self._digest.value()
            versions = [file_version(path) for path in self._paths]
        if versions != self._versions:
            self._cache.forget(self._paths)
            raise ModelFileError("it has changed while it was read")

    def _embedding_facts(self, settings: Settings, tokenizer: Tokenizer) -> EmbeddingFacts:
        """Whether the model is trained for shorter vectors, and its prompt for pairs."""
        template = tokenizer.rank_template
        if not template and ranks(settings) and settings.architecture == "qwen3":
            template = QWEN3
        return EmbeddingFacts(shortens=supports_shortening(settings), rank_template=template)

    def _saved_merges(self) -> SavedMerges | None:
        """Merges of the tokenizer from an earlier load; None while the digest is not known."""
        return SavedMerges(self._cache.tokenizer(self.digest)) if self._digest.is_known else None

    @abstractmethod
    def _open(self, path: Path) -> tuple[ModelFile, Sequence[Path]]:
        """The model, and the files that it is made of. Raises `ModelFileError`, and `OSError`."""

    @abstractmethod
    def _tokenizer(self) -> Tokenizer:
        """Raises `TokenizerError`."""

    @abstractmethod
    def _end_tokens(self) -> frozenset[int]:
        """Tokens that end an answer, beside those that the tokenizer declares."""


def context_length(metadata: Mapping[str, Any]) -> int:
    """In tokens. Raises `ModelFileError`, also for an adapter, a projector or a model of an architecture that is not
    known."""
    kind = metadata.get("general.type", "model")
    if kind != "model":
        raise ModelFileError(f"it is not a complete model: its general.type is {repr(kind)[:40]}")
    settings = Settings(metadata)
    find_family(settings)
    if settings.context_length > MAX_CONTEXT:
        raise ModelFileError(f"its context_length is {settings.context_length}; {MAX_CONTEXT} tokens are the most")
    return settings.context_length
