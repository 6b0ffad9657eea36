"""Every kind of vocabulary and every splitting rule gives llama.cpp's tokens."""

import time
from collections.abc import Callable, Iterator
from functools import partial
from itertools import islice
from pathlib import Path
from typing import Any

import pytest

from forefront.tokenizer.algorithms.pretokenizer import find_rule, rule_names
from forefront.tokenizer.files.gguf import gguf_tokenizer
from forefront.tokenizer.tokenizer import Tokenizer
from tests.support.models.llama_cpp_vocabulary import LlamaVocabulary
from tests.support.models.texts import texts
from tests.support.models.vocabularies import (
    CONTROL,
    USER_DEFINED,
    byte_level,
    metadata_of,
    raw_merges,
    scored,
    unigram,
    word_pieces,
    write_vocabulary,
)

WHOLE = [*CONTROL, *USER_DEFINED]
ALL_RULES = rule_names()
# One name of each rule: what has the same rule gives the same tokens.
DISTINCT = sorted({find_rule(name): name for name in reversed(ALL_RULES)}.values())
OTHERS: dict[str, Callable[[], dict[str, Any]]] = {
    "gemma4": lambda: metadata_of(raw_merges(), "gemma4"),
    "llama": lambda: metadata_of(scored(), "llama"),
    "llama without prefix": lambda: metadata_of(scored(), "llama", add_space_prefix=False),
}


def split_by(rule: str) -> dict[str, Any]:
    """The metadata of a vocabulary that splits by this rule."""
    found = find_rule(rule)
    assert found is not None
    return metadata_of(raw_merges() if found.raw else byte_level(), "gpt2", pre=rule)


KINDS = {name: partial(split_by, name) for name in ALL_RULES} | OTHERS


def both(kind: str, folder: Path) -> tuple[Tokenizer, LlamaVocabulary]:
    metadata = KINDS[kind]()
    write_vocabulary(folder / "vocabulary.gguf", metadata)
    return gguf_tokenizer(metadata), LlamaVocabulary(folder / "vocabulary.gguf")


def compare(ours: Tokenizer, judge: LlamaVocabulary, sample: Iterator[str]) -> int:
    """How many texts were compared."""
    count = 0
    for text in sample:
        assert ours.encode(text) == judge.encode(text), ascii(text)
        count += 1
    return count


@pytest.mark.parametrize("kind", KINDS)
def test_the_same_tokens(kind: str, tmp_path: Path) -> None:
    ours, judge = both(kind, tmp_path)
    assert compare(ours, judge, texts(60, 1, WHOLE)) == 60


@pytest.mark.exhaustive
@pytest.mark.slow
@pytest.mark.timeout(600)
def test_the_same_tokens_of_many_texts(tmp_path: Path) -> None:
    """Up to 20,000 texts of each kind, within 25 seconds for all: llama.cpp takes milliseconds for some."""
    kinds = [*DISTINCT, *OTHERS]
    for kind in kinds:
        ours, judge = both(kind, tmp_path)
        end = time.monotonic() + 25 / len(kinds)
        sample = texts(20_000, 2, WHOLE)
        while time.monotonic() < end and compare(ours, judge, islice(sample, 50)):
            pass


def test_every_rule_differs_from_the_others() -> None:
    """Else the tests above could not fail for a wrong rule."""
    byte_rules = [name for name in DISTINCT if not KINDS[name]()["tokenizer.ggml.tokens"].count("<0x00>")]
    sample = list(texts(400, 1, WHOLE))
    seen: dict[tuple[tuple[int, ...], ...], str] = {}
    for name in byte_rules:
        tokenizer = gguf_tokenizer(KINDS[name]())
        tokens = tuple(tuple(tokenizer.encode(text)) for text in sample)
        rule, other = find_rule(name), find_rule(seen.get(tokens, ""))
        assert other is None or (rule is not None and rule.patterns == other.patterns), (name, seen[tokens])
        seen[tokens] = name
    assert len(seen) > 20


@pytest.mark.parametrize("kind", ["gpt-2", "llama-bpe", "tekken", "gemma4", "llama", "granite-embed-multi-311m"])
@pytest.mark.parametrize("expected_reason", [None, True, False])
def test_bos_is_added_where_llama_cpp_adds_it(kind: str, expected_reason: bool | None, tmp_path: Path) -> None:
    metadata = KINDS[kind]()
    if expected_reason is not None:
        metadata["tokenizer.ggml.add_bos_token"] = expected_reason
    write_vocabulary(tmp_path / "vocabulary.gguf", metadata)
    judge = LlamaVocabulary(tmp_path / "vocabulary.gguf")
    ours = gguf_tokenizer(metadata)
    assert ours.add_bos == (judge.encode("x", add_special=True)[0] == 1)
    if ours.add_bos:
        assert ours.encode(ours.bos_token + "x y") == judge.encode("x y", add_special=True)


@pytest.mark.parametrize("spaces", [True, False])
def test_unigram_tokens(spaces: bool, tmp_path: Path) -> None:
    """The same, or the same in another order, which has the same score."""
    metadata = metadata_of(unigram(), "t5", add_space_prefix=spaces, remove_extra_whitespaces=spaces)
    write_vocabulary(tmp_path / "vocabulary.gguf", metadata)
    judge, ours = LlamaVocabulary(tmp_path / "vocabulary.gguf"), gguf_tokenizer(metadata)
    pairs = [(ours.encode(text), judge.encode(text)) for text in texts(600, 1, CONTROL)]
    assert all(sorted(found) == sorted(expected) for found, expected in pairs)
    assert sum(found != expected for found, expected in pairs) < 5


def test_words_of_bert(tmp_path: Path) -> None:
    """Of texts without combining marks: llama.cpp takes more of them off than BERT's own tokenizer, which we follow."""
    metadata = metadata_of(word_pieces(), "bert")
    write_vocabulary(tmp_path / "vocabulary.gguf", metadata)
    judge, ours = LlamaVocabulary(tmp_path / "vocabulary.gguf"), gguf_tokenizer(metadata)
    for text in (
        "Hello world",
        "it's 12 o'clock, isn't it?",
        "ÄÖÜ naïve café",
        "中文字",
        "a\tb\r\nc",
        "x" * 300,
        "<s>hi</s>",
    ):
        assert ours.encode(text) == judge.encode(text), text
