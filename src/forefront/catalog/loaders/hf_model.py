"""A Hugging Face directory as a model: `config.json`, `*.safetensors` and a tokenizer."""

from pathlib import Path

from forefront.catalog.loaders.generation_config import declared_end_tokens
from forefront.catalog.loaders.prepared_model import PreparedModel
from forefront.graph.errors import ModelFileError
from forefront.graph.hugging_face.model import HuggingFaceModel
from forefront.tokenizer.files.hugging_face import HUGGING_FACE
from forefront.tokenizer.files.load import VOCABULARIES, find_vocabulary, vocabulary_tokenizer
from forefront.tokenizer.tokenizer import Tokenizer


class HfModel(PreparedModel):
    """A Hugging Face directory."""

    def _open(self, path: Path) -> tuple[HuggingFaceModel, list[Path]]:
        vocabulary = find_vocabulary(path)
        if vocabulary is None:
            raise ModelFileError(f"its tokenizer is missing: {', '.join(VOCABULARIES[:-1])} or {VOCABULARIES[-1]}")
        model = HuggingFaceModel(path)
        # Merges that are computed from a vocabulary are kept under the digest.
        return model, model.paths if vocabulary.name == HUGGING_FACE else [*model.paths, vocabulary]

    def _tokenizer(self) -> Tokenizer:
        embeddings = self._file.tensors.get("token_embd.weight")
        rows = None if embeddings is None else embeddings.shape[0]
        return vocabulary_tokenizer(self._source.path, rows, self._saved_merges())

    def _end_tokens(self) -> frozenset[int]:
        return declared_end_tokens(self._source.path)
