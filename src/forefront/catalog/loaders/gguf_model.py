"""A GGUF file as a model: its graph, its tokenizer and its metadata."""

from pathlib import Path

from forefront.catalog.loaders.prepared_model import PreparedModel
from forefront.graph.gguf.gguf_file import GgufFile
from forefront.tokenizer.files.gguf import gguf_tokenizer
from forefront.tokenizer.tokenizer import Tokenizer
from forefront.tokenizer.vocabulary.saved_merges import SavedMerges


class GgufModel(PreparedModel):
    """A GGUF file of one or several parts."""

    def _open(self, path: Path) -> tuple[GgufFile, list[Path]]:
        file = GgufFile(path)
        return file, file.paths

    def _tokenizer(self) -> Tokenizer:
        return gguf_tokenizer(dict(self._file.metadata), SavedMerges(self._cache.tokenizer(self.digest)))

    def _end_tokens(self) -> frozenset[int]:
        return frozenset()  # the tokenizer has them
