"""The tokenizer of a model directory: `tokenizer.json`, `tokenizer.model`, `tekken.json`, or OpenVINO's graphs."""

from pathlib import Path
from typing import Final

from forefront.tokenizer.errors import TokenizerError
from forefront.tokenizer.files.hugging_face import HUGGING_FACE, hugging_face_tokenizer
from forefront.tokenizer.files.sentencepiece_directory import MODEL, sentencepiece_tokenizer
from forefront.tokenizer.files.tekken import TEKKEN, tekken_tokenizer
from forefront.tokenizer.tokenizer import Tokenizer
from forefront.tokenizer.vocabulary.saved_merges import SavedMerges

# The possible files of a vocabulary, in order of precedence.
VOCABULARIES: Final = (HUGGING_FACE, TEKKEN, MODEL)
_GRAPHS: Final = ("openvino_tokenizer.xml", "openvino_detokenizer.xml")


def find_vocabulary(directory: Path) -> Path | None:
    """The file with the vocabulary of `directory`; None if it has none."""
    return next((directory / name for name in VOCABULARIES if (directory / name).is_file()), None)


def missing_files(directory: Path) -> list[str]:
    """The tokenizer files that `directory` lacks; empty if the files of one kind are complete."""
    if find_vocabulary(directory) is not None:
        return []
    return [name for name in _GRAPHS if not (directory / name).is_file()]


def vocabulary_tokenizer(directory: Path, rows: int | None = None, saved: SavedMerges | None = None) -> Tokenizer:
    """The tokenizer of the vocabulary in `directory`. `rows`: of the matrix of embeddings; added tokens without a row
    are plain text. `saved`: a cache of merges. Raises `TokenizerError`, and `OSError`.
    """
    vocabulary = find_vocabulary(directory)
    if vocabulary is None:
        raise TokenizerError(f"it has no tokenizer; known are {', '.join(VOCABULARIES)}")
    if vocabulary.name == HUGGING_FACE:
        return hugging_face_tokenizer(directory, rows)
    if vocabulary.name == TEKKEN:
        tokenizer = tekken_tokenizer(directory, saved)
    else:
        tokenizer = sentencepiece_tokenizer(directory, rows, saved)
    if rows is not None and len(tokenizer.pieces) > rows:
        tokens = len(tokenizer.pieces)
        raise TokenizerError(f"its {vocabulary.name} has {tokens} tokens, but its embeddings have {rows} rows")
    return tokenizer


def load_tokenizer(directory: Path) -> Tokenizer:
    """The tokenizer of `directory`. Raises `TokenizerError`, and `RuntimeError` for what OpenVINO cannot read."""
    graphs = all((directory / name).is_file() for name in _GRAPHS)
    if find_vocabulary(directory) is not None:
        tokenizer = vocabulary_tokenizer(directory)
        # Some exports keep the chat template in the graph alone.
        if tokenizer.chat_template or not graphs:
            return tokenizer
    # OpenVINO takes a second to import, and most models do not need its tokenizers.
    from forefront.tokenizer.files.openvino import openvino_tokenizer

    return openvino_tokenizer(directory)
