"""The tokenizer of a directory with OpenVINO IR: two graphs that were exported with the model."""

import threading
from collections.abc import Sequence
from pathlib import Path

from forefront.engine.model.compilation import compile_graph
from forefront.engine.model.openvino_import import ops, ov
from forefront.tokenizer.errors import TokenizerError
from forefront.tokenizer.tokenizer import Preceding, TokenFacts, Tokenizer, valid_text

# isort: split
import openvino_genai
import openvino_tokenizers  # noqa: F401 - importing it registers the tokenizer operations with OpenVINO


def openvino_tokenizer(directory: Path) -> Tokenizer:
    """The tokenizer of `openvino_tokenizer.xml` and `openvino_detokenizer.xml`. Raises `TokenizerError`, and what
    OpenVINO raises."""
    genai = openvino_genai.Tokenizer(str(directory))
    pieces, control = _vocabulary(genai)
    facts = TokenFacts(
        pieces,
        control,
        frozenset(token for token in (genai.get_eos_token_id(),) if token >= 0),
        bos_token=genai.get_bos_token(),
        eos_token=genai.get_eos_token(),
        chat_template=genai.get_original_chat_template() or genai.chat_template,
    )
    return _GraphTokenizer(_GraphEncoder(directory / "openvino_tokenizer.xml"), facts)


class _GraphTokenizer(Tokenizer):
    """Parts are independent, so all are encoded in one call."""

    def __init__(self, encoder: "_GraphEncoder", facts: TokenFacts) -> None:
        super().__init__(encoder, facts)
        self._graph = encoder

    def encode_parts(self, parts: Sequence[str]) -> list[int]:
        """The tokens of each part, encoded by itself, one after the other."""
        texts = [valid_text(part) for part in parts if part]
        return self._graph.encode_all(texts) if texts else []


class _GraphEncoder:
    def __init__(self, xml: Path) -> None:
        self._request = _encoder(xml)
        self._lock = threading.Lock()

    def encode(self, text: str, before: Preceding) -> list[int]:  # noqa: ARG002 - the graph encodes each text by itself
        """All tokens of `text`; control tokens are recognised."""
        return self.encode_all([text])

    def encode_all(self, parts: list[str]) -> list[int]:
        """The tokens of each part, one after the other. One call of the graph, since each call costs far more than a
        short part."""
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
    # Ids that share their text with another, or have none, are not in the vocabulary: their bytes come from decoding.
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

    What follows in the stored graph is left out: it truncates to the context length without an error, adds tokens that
    chat templates have already, and pads.
    """
    core = ov.Core()
    graph = core.read_model(xml)
    for node in graph.get_ops():
        kind = node.get_type_name()
        if kind.endswith("Tokenizer"):
            # Sentencepiece's operation returns a sparse tensor (indices, values, shape), the others begins, ends, ids.
            ids = node.output(1 if kind.startswith("Sentencepiece") else 2)
            encoder = ov.Model([ops.result(ids)], graph.get_parameters(), "encode")
            return compile_graph(core, encoder, "CPU", {"INFERENCE_NUM_THREADS": 1}).create_infer_request()
    raise TokenizerError("the tokenizer has no operation that makes tokens")
