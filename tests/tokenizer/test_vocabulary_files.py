"""`tokenizer.model` and `tekken.json` of a directory: the tokens of SentencePiece and mistral-common for these files.

The files in `references` were learnt from this project's documents; `expected.json` has the tokens that SentencePiece
0.2.3 and mistral-common 1.13 made of its texts.
"""

import json
import shutil
import struct
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from forefront.tokenizer.errors import TokenizerError
from forefront.tokenizer.files.load import load_tokenizer, missing_files
from forefront.tokenizer.files.sentencepiece_directory import sentencepiece_tokenizer
from forefront.tokenizer.files.sentencepiece_model import sentencepiece_metadata

REFERENCES = Path(__file__).parent / "references"
EXPECTED = json.loads((REFERENCES / "expected.json").read_text())
MODELS = [name for name in EXPECTED if name not in ("texts", "tekken")]


def placed(folder: Path, name: str, **files: Any) -> Path:
    """A directory with one vocabulary, and JSON files beside it."""
    folder.mkdir(exist_ok=True)
    path = REFERENCES / ("tekken.json" if name == "tekken" else f"{name}.model")
    shutil.copy(path, folder / ("tekken.json" if name == "tekken" else "tokenizer.model"))
    for stem, content in files.items():
        (folder / f"{stem}.json").write_text(json.dumps(content))
    return folder


@pytest.mark.parametrize("name", [*MODELS, "tekken"])
def test_tokens_are_the_references(name: str, tmp_path: Path) -> None:
    ours = load_tokenizer(placed(tmp_path, name))
    assert [ours.encode(text) for text in EXPECTED["texts"]] == EXPECTED[name]
    assert missing_files(tmp_path) == []


@pytest.mark.parametrize("name", ["bpe", "bpe_unprefixed", "unigram", "tekken"])
def test_the_bytes_of_tokens_are_the_text(name: str, tmp_path: Path) -> None:
    ours = load_tokenizer(placed(tmp_path, name))
    prefix = "" if name in ("bpe_unprefixed", "tekken") else " "
    for text in filter(None, EXPECTED["texts"]):
        whole = text if name == "tekken" else prefix + text.replace("▁", " ")
        assert b"".join(ours.pieces[token] for token in ours.encode(text)) == whole.encode()


def test_special_tokens_of_a_sentencepiece_model(tmp_path: Path) -> None:
    ours = load_tokenizer(placed(tmp_path, "bpe"))
    assert (ours.bos_token, ours.eos_token, ours.add_bos, ours.add_eos) == ("<s>", "</s>", True, False)
    assert ours.end_tokens >= {2}
    assert ours.encode("<|im_start|>") == [ours.control["<|im_start|>"]]


def test_tokens_beside_a_sentencepiece_model(tmp_path: Path) -> None:
    config = {
        "eos_token": {"content": "<|im_end|>"},
        "add_bos_token": False,
        "chat_template": "hello",
        "added_tokens_decoder": {"501": {"content": "<tool>", "special": False}, "0": {"content": "<unk>"}},
    }
    folder = placed(tmp_path, "unigram", tokenizer_config=config, added_tokens={"<|im_end|>": 500, "<pad>": 600})
    ours = sentencepiece_tokenizer(folder, rows=512)
    assert (ours.eos_token, ours.add_bos, ours.chat_template) == ("<|im_end|>", False, "hello")
    assert ours.control["<|im_end|>"] == 500
    assert 500 in ours.end_tokens
    assert len(ours.pieces) == 502
    assert ours.pieces[501] == b"<tool>"
    assert "<pad>" not in ours.control


def test_special_tokens_of_tekken(tmp_path: Path) -> None:
    ours = load_tokenizer(placed(tmp_path, "tekken"))
    assert (ours.bos_token, ours.eos_token, ours.add_bos) == ("<s>", "</s>", True)
    assert ours.end_tokens == {2}
    assert ours.encode("[INST]hi[/INST]<SPECIAL_9>")[0] == 3
    assert ours.control["<SPECIAL_9>"] == 9
    assert len(ours.pieces) == 600


TEKKEN = json.loads((REFERENCES / "tekken.json").read_text())
CONFIG, VOCABULARY = TEKKEN["config"], TEKKEN["vocab"]
BROKEN_TEKKEN: dict[str, Any] = {
    "not an object": [],
    "no pattern": {"config": {}},
    "a pattern that is none": TEKKEN | {"config": CONFIG | {"pattern": "("}},
    "a pattern of another type": TEKKEN | {"config": CONFIG | {"pattern": 1}},
    "a size of billions": TEKKEN | {"config": CONFIG | {"default_vocab_size": 10**10}},
    "a size that is true": TEKKEN | {"config": CONFIG | {"default_vocab_size": True}},
    "more than there is": TEKKEN | {"config": CONFIG | {"default_vocab_size": 700}},
    "less than the bytes": TEKKEN | {"config": CONFIG | {"default_vocab_size": 200}},
    "billions of special tokens": TEKKEN | {"config": CONFIG | {"default_num_special_tokens": 10**10}},
    "too few special tokens": TEKKEN | {"config": CONFIG | {"default_num_special_tokens": 1}},
    "a special token twice": TEKKEN | {"special_tokens": [{"rank": n, "token_str": "a"} for n in range(2)]},
    "special tokens out of order": TEKKEN | {"special_tokens": [{"rank": 1, "token_str": "a"}]},
    "special tokens that are none": TEKKEN | {"special_tokens": {"a": 1}},
    "a special token like another": TEKKEN | {"special_tokens": [{"rank": 0, "token_str": "a"}]},
    "no vocabulary": TEKKEN | {"vocab": None},
    "tokens that are none": TEKKEN | {"vocab": [1] * 600},
    "no base64": TEKKEN | {"vocab": [*VOCABULARY[:400], {"rank": 400, "token_bytes": "*"}, *VOCABULARY[401:]]},
    "ranks out of order": TEKKEN | {"vocab": VOCABULARY[::-1]},
    "a token twice": TEKKEN | {"vocab": [*VOCABULARY[:400], VOCABULARY[399] | {"rank": 400}, *VOCABULARY[401:]]},
}


@pytest.mark.parametrize("name", BROKEN_TEKKEN)
def test_a_broken_tekken_gives_a_short_error(name: str, tmp_path: Path) -> None:
    (tmp_path / "tekken.json").write_text(json.dumps(BROKEN_TEKKEN[name]))
    with pytest.raises(TokenizerError, match=r"tekken\.json") as error:
        load_tokenizer(tmp_path)
    assert "\n" not in str(error.value)


@pytest.mark.parametrize("content", [b"", b"{", b"\xff", b"[" * 100_000])
def test_a_tekken_outside_json_gives_a_short_error(content: bytes, tmp_path: Path) -> None:
    (tmp_path / "tekken.json").write_bytes(content)
    with pytest.raises(TokenizerError, match=r"tekken\.json"):
        load_tokenizer(tmp_path)


def field(number: int, value: bytes | int) -> bytes:
    """A field of a protobuf message, with numbers below 128."""
    if isinstance(value, int):
        return bytes([number << 3, value])
    assert len(value) < 128
    return bytes([number << 3 | 2, len(value)]) + value


def piece(text: str, score: float = 0.0, kind: int = 1) -> bytes:
    return field(1, field(1, text.encode()) + b"\x15" + struct.pack("<f", score) + field(3, kind))


START = piece("<unk>", kind=2) + piece("<s>", kind=3) + piece("</s>", kind=3)
BROKEN_MODELS = {
    "empty": b"",
    "another format": b"IQ== 0\nIg== 1\n",
    "one piece": piece("a"),
    "a size of exabytes": START + b"\x0a" + b"\xff" * 8 + b"\x7f",
    "a number without an end": START + b"\x08" + b"\xff" * 20,
    "cut off": START + piece("abc")[:-3],
    "a group": START + b"\x0b",
    "a type that is none": START + piece("a", kind=9),
    "a score that is no number": START + piece("a", float("nan")),
    "a text that is a number": START + field(1, field(1, 1)),
    "a text that is not UTF-8": START + field(1, field(1, b"\xff")),
    "a text twice": START + piece("a") + piece("a") + field(2, bytes([3 << 3, 2])),
    "words": START + piece("a") + field(2, bytes([3 << 3, 3])),
    "plain spaces": START + piece("a") + field(3, bytes([5 << 3, 0])),
    "no character map": START + piece("a") + field(3, field(2, b"\x01\x02")),
}


@pytest.mark.parametrize("name", BROKEN_MODELS)
def test_a_broken_model_gives_a_short_error(name: str, tmp_path: Path) -> None:
    (tmp_path / "tokenizer.model").write_bytes(BROKEN_MODELS[name])
    with pytest.raises(TokenizerError) as error:
        load_tokenizer(tmp_path)
    assert "\n" not in str(error.value)


ADDED: list[Mapping[str, Any]] = [
    {"added_tokens": {"<a>": "1"}},
    {"added_tokens": {"<a>": -1}},
    {"added_tokens": {"<a>": 10**9}},
    {"added_tokens": {"</s>": 500}},
    {"tokenizer_config": {"added_tokens_decoder": {"-1": {"content": "<a>"}}}},
    {"tokenizer_config": {"added_tokens_decoder": {"5": "<a>"}}},
    {"tokenizer_config": {"added_tokens_decoder": {"9" * 5000: {"content": "<a>"}}}},
]


@pytest.mark.parametrize("files", ADDED)
def test_invalid_added_tokens_give_a_short_error(files: Mapping[str, Any], tmp_path: Path) -> None:
    with pytest.raises(TokenizerError) as error:
        load_tokenizer(placed(tmp_path, "bpe", **files))
    assert len(str(error.value)) < 200


@settings(max_examples=150)
@given(st.data())
def test_a_damaged_model_loads_or_is_refused(data: st.DataObject) -> None:
    content = bytearray((REFERENCES / "bpe.model").read_bytes())
    for place in data.draw(st.lists(st.integers(0, len(content) - 1), min_size=1, max_size=8)):
        content[place] = data.draw(st.integers(0, 255))
    try:
        metadata = sentencepiece_metadata(bytes(content[: data.draw(st.integers(0, len(content)))]))
    except TokenizerError:
        return
    assert len(metadata["tokenizer.ggml.tokens"]) == len(metadata["tokenizer.ggml.scores"])
