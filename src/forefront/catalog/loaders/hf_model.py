"""A Hugging Face directory as a model: `config.json`, `*.safetensors` and `tokenizer.json`."""

from pathlib import Path

from forefront.catalog.loaders.generation_config import end_tokens
from forefront.catalog.loaders.prepared_model import PreparedModel
from forefront.graph.errors import ModelFileError
from forefront.graph.hugging_face.model import HuggingFaceModel
from forefront.tokenizer.hugging_face import hugging_face_tokenizer
from forefront.tokenizer.tokenizer import Tokenizer


class HfModel(PreparedModel):
    """A Hugging Face directory."""

    def _open(self, path: Path) -> tuple[HuggingFaceModel, list[Path]]:
        if not (path / "tokenizer.json").is_file():
            raise ModelFileError("tokenizer.json is missing")
        model = HuggingFaceModel(path)
        return model, model.paths

    def _tokenizer(self) -> Tokenizer:
        embeddings = self._file.tensors.get("token_embd.weight")
        return hugging_face_tokenizer(self._source.path, None if embeddings is None else embeddings.shape[0])

    def _end_tokens(self) -> frozenset[int]:
        return end_tokens(self._source.path)
