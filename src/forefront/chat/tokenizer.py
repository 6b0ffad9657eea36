"""Text to token ids, and token ids to the bytes they stand for."""

import threading
from collections.abc import Sequence
from pathlib import Path

from forefront.engine.runtime import ops, ov

# isort: split
import openvino_genai
import openvino_tokenizers  # noqa: F401 - importing it registers the tokenizer operations with OpenVINO


class TokenizerError(Exception):
    """The tokenizer files of a model cannot be used."""


class Tokenizer:
    """The tokenizer of a model directory (`openvino_tokenizer.xml`, `openvino_detokenizer.xml`). Thread-safe.

    `pieces[id]` are the bytes of a token, empty for control tokens, whose texts are in `control` (text → id).
    `end_tokens` are those that the tokenizer itself declares to end a text. No token stands for more than `longest`
    bytes.
    """

    def __init__(self, directory: Path) -> None:
        genai = openvino_genai.Tokenizer(str(directory))
        self.chat_template: str = genai.get_original_chat_template() or genai.chat_template
        self.bos_token: str = genai.get_bos_token()
        self.eos_token: str = genai.get_eos_token()
        self.end_tokens = frozenset(token for token in (genai.get_eos_token_id(),) if token >= 0)
        self.pieces, self.control = _vocabulary(genai)
        self.longest = max(len(text) for text in (*self.pieces, *(name.encode() for name in self.control)))
        self._request = _encoder(directory / "openvino_tokenizer.xml")
        self._lock = threading.Lock()

    def encode(self, text: str) -> list[int]:
        """All tokens of `text`, however long; control tokens are recognised, none are added."""
        return self.encode_parts([text])

    def encode_parts(self, parts: Sequence[str]) -> list[int]:
        """The tokens of each part, encoded by itself, one part after the other. One call of the graph, since each call
        costs far more than a short part."""
        parts = [part for part in parts if part]
        if not parts:
            return []
        with self._lock:
            self._request.set_input_tensor(ov.Tensor(parts))
            self._request.infer()
            tokens: list[int] = self._request.get_output_tensor().data.reshape(-1).tolist()
        return tokens


def _vocabulary(genai: openvino_genai.Tokenizer) -> tuple[list[bytes], dict[str, int]]:
    vocabulary: dict[bytes | str, int] = genai.get_vocab()
    size = max(vocabulary.values()) + 1
    ids = [[token] for token in range(size)]
    shown = genai.decode(ids, skip_special_tokens=True)
    whole = genai.decode(ids, skip_special_tokens=False)
    # Ids that share their text with another, or have none, are not in the vocabulary: what decoding says must do.
    pieces = [text.encode() for text in whole]
    for piece, token in vocabulary.items():
        pieces[token] = piece.encode() if isinstance(piece, str) else piece
    control = {}
    for token in range(size):
        if shown[token] != whole[token]:
            control[pieces[token].decode(errors="replace")] = token
            pieces[token] = b""
    return pieces, control


def _encoder(xml: Path) -> ov.InferRequest:
    """The tokenizer's graph up to the token ids of one text.

    What follows in the stored graph is left out: it truncates to the context length without a word, adds tokens that
    chat templates already spell out, and pads.
    """
    core = ov.Core()
    graph = core.read_model(xml)
    for node in graph.get_ops():
        kind = node.get_type_name()
        if kind.endswith("Tokenizer"):
            # Sentencepiece's operation returns a sparse tensor (indices, values, shape), the others begins, ends, ids.
            ids = node.output(1 if kind.startswith("Sentencepiece") else 2)
            encoder = ov.Model([ops.result(ids)], graph.get_parameters(), "encode")
            return core.compile_model(encoder, "CPU", {"INFERENCE_NUM_THREADS": 1}).create_infer_request()
    raise TokenizerError("the tokenizer has no operation that makes tokens")
