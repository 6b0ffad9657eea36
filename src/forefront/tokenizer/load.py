"""The tokenizer of a model directory: `tokenizer.json`, or OpenVINO's graphs."""

from pathlib import Path
from typing import Final

from forefront.tokenizer.hugging_face import hugging_face_tokenizer
from forefront.tokenizer.tokenizer import Tokenizer

_GRAPHS: Final = ("openvino_tokenizer.xml", "openvino_detokenizer.xml")


def missing_files(directory: Path) -> list[str]:
    """The tokenizer files that `directory` lacks; none if it has those of one kind."""
    if (directory / "tokenizer.json").is_file():
        return []
    return [name for name in _GRAPHS if not (directory / name).is_file()]


def load_tokenizer(directory: Path) -> Tokenizer:
    """The tokenizer of `directory`. Raises `TokenizerError`, and `RuntimeError` for what OpenVINO cannot read."""
    graphs = all((directory / name).is_file() for name in _GRAPHS)
    if (directory / "tokenizer.json").is_file():
        tokenizer = hugging_face_tokenizer(directory)
        # Some exports keep the chat template in the graph alone.
        if tokenizer.chat_template or not graphs:
            return tokenizer
    # OpenVINO takes a second to import, and most models do not need its tokenizers.
    from forefront.tokenizer.openvino import openvino_tokenizer

    return openvino_tokenizer(directory)
