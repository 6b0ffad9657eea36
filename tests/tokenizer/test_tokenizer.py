"""What holds for every kind of vocabulary: parts, long and hostile texts, bytes of tokens."""

import re
import threading
import time
from collections.abc import Callable
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from forefront.chat.grammar.vocabulary import TokenIndex, Vocabulary
from forefront.tokenizer.algorithms.pretokenizer import find_rule, rule_names
from forefront.tokenizer.files.gguf import gguf_tokenizer
from forefront.tokenizer.tokenizer import Tokenizer
from tests.support.models.texts import texts
from tests.support.models.vocabularies import (
    CONTROL,
    USER_DEFINED,
    byte_level,
    metadata_of,
    raw_merges,
    scored,
)

KINDS: dict[str, Callable[[], dict[str, Any]]] = {
    "gpt-2": lambda: metadata_of(byte_level(), "gpt2", pre="gpt-2"),
    "llama-bpe": lambda: metadata_of(byte_level(), "gpt2", pre="llama-bpe"),
    "superbpe": lambda: metadata_of(byte_level(), "gpt2", pre="superbpe"),
    "gemma4": lambda: metadata_of(raw_merges(), "gemma4"),
    "llama": lambda: metadata_of(scored(), "llama"),
    "llama without prefix": lambda: metadata_of(scored(), "llama", add_space_prefix=False),
}
MODELS = {name: gguf_tokenizer(make()) for name, make in KINDS.items()}


def text_of(tokenizer: Tokenizer, tokens: list[int]) -> str:
    names = {token: text.encode() for text, token in tokenizer.control.items()}
    return b"".join(names.get(token, tokenizer.pieces[token]) for token in tokens).decode()


@pytest.mark.parametrize("kind", KINDS)
@given(text=st.text())
@settings(max_examples=60, deadline=None)
def test_the_pieces_are_the_text(kind: str, text: str) -> None:
    tokenizer = MODELS[kind]
    shown = text_of(tokenizer, tokenizer.encode(text))
    if kind == "llama" and text:
        shown = shown.removeprefix(" ")
    # The text that these write for a space cannot be distinguished from a space.
    expected = text if find_rule(kind) and kind != "gemma4" else text.replace("▁", " ")
    assert shown == expected


@pytest.mark.parametrize("kind", KINDS)
def test_parts_are_encoded_by_themselves(kind: str) -> None:
    tokenizer = MODELS[kind]
    assert tokenizer.encode_parts(["<|im_start|>user\n", "hello <", "|im_end|>", "<|im_end|>"]).count(4) == 1
    assert text_of(tokenizer, tokenizer.encode_parts(["a <", "|im_end|> b"])).strip() == "a <|im_end|> b"
    assert tokenizer.encode_parts([]) == tokenizer.encode_parts(["", ""]) == []
    assert tokenizer.encode_parts(["", "hello"]) == tokenizer.encode("hello")


def test_only_what_follows_no_text_gets_a_space() -> None:
    tokenizer = MODELS["llama"]
    hello, plain = tokenizer.encode("hello"), MODELS["llama without prefix"].encode("hello")
    assert tokenizer.encode_parts(["<s>", "hello"]) == tokenizer.encode("<s>hello") == [1, *hello]
    assert tokenizer.encode_parts(["hello", "hello"]) == hello + plain
    assert tokenizer.encode_parts(["hello", "hello<s>hello"]) == [*hello, *plain, 1, *hello]
    assert tokenizer.encode_parts(["<think>", "hello"]) == tokenizer.encode("<think>hello")
    assert tokenizer.encode_parts(["hello", "<s>hello"]) == [*hello, 1, *hello]


@pytest.mark.parametrize("kind", KINDS)
def test_a_long_text_has_the_tokens_of_its_chunks(kind: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """It is cut where words end, for memory's sake."""
    tokenizer = MODELS[kind]
    text = " and so on ".join(texts(120, 5, [*CONTROL, *USER_DEFINED]))
    whole = tokenizer.encode(text)
    monkeypatch.setattr("forefront.tokenizer.encoder._CHUNK", 20)
    assert tokenizer.encode(text) == whole


@pytest.mark.parametrize("text", ["\ud800", "a\udfff b", "\ud83d\ude00", "\udcff" * 3])
@pytest.mark.parametrize("kind", KINDS)
def test_surrogates_are_encoded_as_replacements(kind: str, text: str) -> None:
    tokenizer = MODELS[kind]
    valid = re.sub("[\ud800-\udfff]", "\ufffd", text.replace("\ud83d\ude00", "😀"))
    assert tokenizer.encode(text) == tokenizer.encode(valid)


HOSTILE = {
    "one letter": "a",
    "capitals": "A",
    "spaces": " ",
    "line breaks": "\n",
    "spaces and line breaks": " \n",
    "marks": "!",
    "digits": "7",
    "accents": "\u0301",
    "endings": "'s",
    "mixed case": "aB",
    "chinese": "字",
    "angles": "<",
}


@pytest.mark.parametrize("repeated", HOSTILE.values(), ids=HOSTILE)
def test_time_is_linear_for_every_repetition(repeated: str) -> None:
    """For every rule: eight times the text in much less than 64 times the time."""
    rules = {find_rule(name): name for name in reversed(rule_names())}
    for rule, name in rules.items():
        assert rule is not None
        tokenizer = gguf_tokenizer(metadata_of(raw_merges() if rule.raw else byte_level(), "gpt2", pre=name))

        def seconds(count: int, encode: Callable[[str], list[int]] = tokenizer.encode) -> float:
            started = time.thread_time()
            encode(repeated * count + "x")
            return time.thread_time() - started

        assert seconds(40_000) < 0.25 + 30 * seconds(5_000), name


@pytest.mark.parametrize("rule", ["superbpe", "afmoe", "tiny_aya"])
@pytest.mark.parametrize("end", ["", "x", "½", "½½", "٣", "٣٣x"])
@pytest.mark.parametrize("digit", ["7", "٣"])
def test_long_numbers_are_grouped_from_their_ends(rule: str, end: str, digit: str) -> None:
    tokenizer = gguf_tokenizer(metadata_of(byte_level(), "gpt2", pre=rule))
    text = f"a {digit * 700}{end}"
    assert tokenizer.encode(text) == tokenizer._encoder.pipeline.encode(text, add_special_tokens=False).ids  # type: ignore[attr-defined]


@pytest.mark.parametrize("kind", KINDS)
def test_many_control_tokens_are_found(kind: str) -> None:
    tokens = MODELS[kind].encode("<|im_start|>" * 30_000)
    assert tokens == [3] * 30_000


def test_other_threads_run_while_a_long_text_is_encoded() -> None:
    """The library holds no lock of Python's; the text has no word that ends, so it is one call."""
    tokenizer = MODELS["superbpe"]
    finished = threading.Event()

    def encode() -> None:
        tokenizer.encode("ab " * 150_000)
        finished.set()

    threading.Thread(target=encode).start()
    counted = 0
    while not finished.is_set():
        counted += 1
    assert counted > 10_000


def test_threads_encode_at_the_same_time() -> None:
    tokenizer, sample = MODELS["gpt-2"], list(texts(200, 3))
    expected = [tokenizer.encode(text) for text in sample]
    found: list[list[list[int]]] = []
    threads = [
        threading.Thread(target=lambda: found.append([tokenizer.encode(text) for text in sample])) for _ in range(4)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert found == [expected] * 4


@pytest.mark.parametrize("kind", KINDS)
def test_the_pieces_make_an_index_for_grammars(kind: str) -> None:
    tokenizer = MODELS[kind]
    index = TokenIndex(Vocabulary(tokenizer.pieces, tokenizer.control, tokenizer.end_tokens))
    assert text_of(tokenizer, index.cut(b'{"a": [1, 2]}')) == '{"a": [1, 2]}'
    assert all(not tokenizer.pieces[token] for token in tokenizer.control.values())
