"""Bad metadata is one sentence; what is left out has llama.cpp's defaults."""

import random
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from forefront.tokenizer.errors import TokenizerError
from forefront.tokenizer.files.gguf import gguf_tokenizer
from tests.support.models.llama_cpp_vocabulary import LlamaVocabulary
from tests.support.models.vocabularies import Vocabulary, byte_level, metadata_of, scored, unigram, write_vocabulary

Fields = dict[str, Any]


def gpt2(**fields: Any) -> Fields:
    return metadata_of(byte_level(), **({"model": "gpt2", "pre": "gpt-2"} | fields))


def without(fields: Fields, name: str) -> Fields:
    return {key: value for key, value in fields.items() if key != f"tokenizer.ggml.{name}"}


TOKENS = list(byte_level().tokens)
BAD: dict[str, tuple[Callable[[], Fields], str]] = {
    "no model": (lambda: without(gpt2(), "model"), "model is ''"),
    "an unknown model": (lambda: gpt2(model="rwkv"), "'rwkv'; known are gpt2"),
    "a model that is a number": (lambda: gpt2(model=3), "model is not a text"),
    "an unknown rule": (lambda: gpt2(pre="tomorrow"), "'tomorrow'; known are .*qwen2"),
    "no tokens": (lambda: without(gpt2(), "tokens"), "no tokenizer.ggml.tokens"),
    "a vocabulary of none": (lambda: gpt2(tokens=[], token_type=[]), "has 0 tokens"),
    "a vocabulary of one": (lambda: gpt2(tokens=["a"], token_type=[1]), "has 1 tokens"),
    "tokens that are a text": (lambda: gpt2(tokens="abc"), "not a list of texts"),
    "tokens that are numbers": (lambda: gpt2(tokens=[1, 2, 3]), "not a list of texts"),
    "a token twice": (lambda: gpt2(tokens=[*TOKENS[:-1], TOKENS[9]]), "are the same text"),
    "a token that is not UTF-8": (lambda: gpt2(tokens=[*TOKENS[:-1], b"\xff"]), "not UTF-8"),
    "a token that was not UTF-8": (lambda: gpt2(tokens=[*TOKENS[:-1], "\udcff"]), "not UTF-8"),
    "a type that there is not": (lambda: gpt2(token_type=[99] * len(TOKENS)), "numbers that are no types"),
    "too few types": (lambda: gpt2(token_type=[1, 1]), "token_type has 2 entries"),
    "types that are texts": (lambda: gpt2(token_type=["a"] * len(TOKENS)), "not a list of numbers"),
    "no merges": (lambda: without(gpt2(), "merges"), "no tokenizer.ggml.merges"),
    "merges of unknown tokens": (lambda: gpt2(merges=["zzzz yyyy"]), "merges do not fit its tokens"),
    "a merge of one part": (lambda: gpt2(merges=["ab"]), "'ab' has not two parts"),
    "an empty merge": (lambda: gpt2(merges=[""]), "has not two parts"),
    "an end outside": (lambda: gpt2(eos_token_id=10**6), "eos_token_id is 1000000"),
    "a beginning outside": (lambda: gpt2(bos_token_id=-7), "bos_token_id is -7"),
    "an end that is a text": (lambda: gpt2(eos_token_id="</s>"), "is not a number"),
    "add_bos that is a number": (lambda: gpt2(add_bos_token=1), "is not true or false"),
    "too few scores": (lambda: metadata_of(scored(), "llama", scores=[1.0]), "scores has 1 entries"),
    "no scores": (lambda: without(metadata_of(scored(), "llama"), "scores"), "no tokenizer.ggml.scores"),
    "damaged characters": (
        lambda: metadata_of(unigram(), "t5", precompiled_charsmap=[255] * 9),
        "precompiled_charsmap is damaged",
    ),
    "a template that is a list": (lambda: gpt2() | {"tokenizer.chat_template": []}, "chat_template is not a text"),
}


@pytest.mark.parametrize("name", BAD)
def test_bad_metadata_gives_a_short_error(name: str) -> None:
    make, expected = BAD[name]
    with pytest.raises(TokenizerError, match=expected) as error:
        gguf_tokenizer(make())
    assert "\n" not in str(error.value)


def test_damaged_metadata_is_an_error_or_works() -> None:
    """Values of other fields, other types, cut or repeated."""
    chance = random.Random(4)
    small = Vocabulary(byte_level().tokens[:400], byte_level().merges[:100])
    good = [
        metadata_of(small, "gpt2", pre="gpt-2", add_bos_token=True),
        metadata_of(scored(), "llama", add_space_prefix=True),
        metadata_of(unigram(), "t5"),
    ]
    values = [None, -1, 0, 3, 2**63, 0.5, True, "", "x", b"x", [], [""], ["a b"], [1, 2], [[1]], float("nan")]
    works = 0
    for _ in range(300):
        fields = dict(chance.choice(good))
        for key in chance.sample(sorted(fields), chance.randrange(1, 3)):
            old = fields[key]
            change = chance.randrange(3)
            if change == 0 or not isinstance(old, list):
                fields[key] = chance.choice(values)
            elif change == 1:
                fields[key] = old[: chance.randrange(len(old))]
            else:
                fields[key] = [*old[:-1], chance.choice(values)]
        try:
            tokenizer = gguf_tokenizer(fields)
        except TokenizerError as error:
            assert "\n" not in str(error)
        else:
            works += 1
            tokenizer.encode("Hello <s> world 123")
    assert works > 10


def test_a_file_without_a_rule_is_split_by_the_default_one(caplog: pytest.LogCaptureFixture) -> None:
    tokenizer = gguf_tokenizer(without(gpt2(), "pre"))
    assert "split" in caplog.text
    text = "it's 12345 != <b>"
    assert tokenizer.encode(text) == gguf_tokenizer(gpt2(pre="default")).encode(text)


def test_the_largest_number_is_no_token() -> None:
    tokenizer = gguf_tokenizer(gpt2(bos_token_id=2**32 - 1, add_bos_token=True))
    assert (tokenizer.bos_token, tokenizer.add_bos) == ("", False)


ENDINGS = [
    ["<|im_end|>", "<|endoftext|>", "<|file_sep|>"],
    ["<|return|>", "<|call|>", "<|end|>", "<|start|>", "<|channel|>"],
    ["<|end|>", "<|user|>"],
    ["<turn|>", "<|tool_response>", "</s>", "<eos>"],
    ["<|calls|>", "<|flush|>", "<|end|>"],
    ["<|fim_pad|>", "<|fim_prefix|>", "<|repo_name|>"],
]


@pytest.mark.parametrize("names", ENDINGS)
@pytest.mark.parametrize("kind", [1, 3, 4])
def test_tokens_that_end_an_answer_are_known_by_name(names: list[str], kind: int, tmp_path: Path) -> None:
    """By llama.cpp's names, for any type: converters often leave these out."""
    symbols = [token for token in byte_level().tokens if len(token) == 1]
    tokens = [*symbols, "th", *names]
    fields = metadata_of(Vocabulary(tokens, ["t h"]), "gpt2", pre="gpt-2", eos_token_id=tokens.index(names[0]))
    fields["tokenizer.ggml.token_type"] = [kind if token in names else 1 for token in tokens]
    fields["tokenizer.ggml.bos_token_id"] = len(symbols)
    write_vocabulary(tmp_path / "vocabulary.gguf", fields)
    judge, ours = LlamaVocabulary(tmp_path / "vocabulary.gguf"), gguf_tokenizer(fields)
    # Of the ends of texts, those that the file uses for nothing do not count here.
    unused = {"<|endoftext|>", "</s>", "<eos>"} - set(names[:1])
    assert ours.end_tokens == {token for token, text in enumerate(tokens) if judge.ends(token)} - {
        token for token, text in enumerate(tokens) if text in unused
    }
    fields["tokenizer.ggml.padding_token_id"] = tokens.index(names[1])
    assert gguf_tokenizer(fields).end_tokens == ours.end_tokens | {tokens.index(names[1])} & {
        token for token in range(len(tokens)) if judge.ends(token)
    }
    text = "th".join(names)
    assert ours.encode(text) == judge.encode(text)


@pytest.mark.parametrize("text", ["<0x41>", "a<0x41>b", "<<0x41>>", "<0x41", "é<0x4a>", "<0x0A> <0xFF>a"])
def test_the_name_of_a_byte_token_is_text_in_unigram_vocabularies(text: str) -> None:
    names = [f"<0x{byte:02X}>" for byte in range(256)]
    tokens = ["<unk>", "<s>", "</s>", *names, *"▁0x41>ab"]
    metadata = metadata_of(Vocabulary(tokens, scores=[0.0] * 259 + [-1.0] * 8), "t5", add_space_prefix=False)
    tokenizer = gguf_tokenizer(metadata)
    assert b"".join(tokenizer.pieces[token] for token in tokenizer.encode(text)) == text.encode()
    assert tokenizer.encode("<0x41>") == [3 + ord("<"), *map(tokens.index, "0x41>")]


def test_tokens_that_end_a_file_end_an_answer() -> None:
    """Their ids, under any text."""
    metadata = metadata_of(scored(), "llama", fim_pad_token_id=400, fim_rep_token_id=401, fim_sep_token_id=402)
    assert {400, 401, 402} <= gguf_tokenizer(metadata).end_tokens
