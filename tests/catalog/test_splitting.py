"""A converted tokenizer cuts texts as the file's rule says: measured against byte pair encoding written out."""

from itertools import pairwise
from pathlib import Path

import gguf
import pytest
import regex

from tests.support.loaded import load_parts
from tests.support.random_model import write_random_gguf

# Pieces that only some of the rules keep together. What is learnt from them shows which rule was followed.
PIECES = [" +", " !", "12", "123", "'s", "'LL", ".y", "(key", ' {"', ' "', "!=", ' "', "1234", "it", "x", "\r\n", ";\n"]
SAMPLES = ' it\'s I\'LL x.y f(key 123 1234 {"a": 1} + += != ! ";\n\n'
# As published with the models, in Python's dialect.
GPT2 = r"'s|'t|'re|'ve|'m|'ll|'d| ?\p{L}+| ?\p{N}+| ?[^\s\p{L}\p{N}]+|\s+(?!\S)|\s+"
LLAMA3 = (
    r"(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}{1,3}| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+"
    r"|\s+(?!\S)|\s+"
)
QWEN2 = LLAMA3.replace("{1,3}", "")


def expected(path: Path, patterns: list[str], text: str) -> list[str]:
    """The tokens of `text` by the file's own merges."""
    fields = gguf.GGUFReader(path).fields
    ranks = {tuple(pair.split(" ")): rank for rank, pair in enumerate(fields["tokenizer.ggml.merges"].contents())}
    visible = {*range(ord("!"), ord("~") + 1), *range(ord("¡"), ord("¬") + 1), *range(ord("®"), ord("ÿ") + 1)}
    others = iter(range(256, 512))
    symbols = [chr(byte if byte in visible else next(others)) for byte in range(256)]
    pieces = [text]
    for pattern in patterns:
        pieces = [part for piece in pieces for part in cut(pattern, piece)]
    tokens: list[str] = []
    for piece in pieces:
        word = [symbols[byte] for byte in piece.encode()]
        while pairs := [pair for pair in pairwise(word) if pair in ranks]:
            best = min(pairs, key=ranks.__getitem__)
            place = next(i for i, pair in enumerate(pairwise(word)) if pair == best)
            word[place : place + 2] = ["".join(best)]
        tokens += word
    return tokens


def cut(pattern: str, text: str) -> list[str]:
    """Matches, and what lies between them."""
    parts: list[str] = []
    end = 0
    for match in regex.finditer(pattern, text):
        parts += [text[end : match.start()], match[0]]
        end = match.end()
    return [part for part in [*parts, text[end:]] if part]


@pytest.mark.parametrize(
    ("pre", "patterns"),
    [("gpt-2", [GPT2]), ("smollm", [r"\p{N}", GPT2]), ("llama-bpe", [LLAMA3]), ("qwen2", [QWEN2])],
)
def test_texts_are_cut_as_the_file_says(pre: str, patterns: list[str], tmp_path: Path) -> None:
    path = tmp_path / "model.gguf"
    write_random_gguf(path, vocab_size=290, layers=1, pre=pre, learn_from=PIECES * 9)
    tokenizer = load_parts(path, tmp_path / "home").tokenizer
    names = gguf.GGUFReader(path).fields["tokenizer.ggml.tokens"].contents()
    for text in (SAMPLES, "a\n\n b  c\r\n", "½ ٣٤ über naïve's 12345678", 'f({"key": [1, 2]})'):
        assert [names[token] for token in tokenizer.encode(text)] == expected(path, patterns, text), text


def test_the_rules_differ_on_these_texts(tmp_path: Path) -> None:
    """Else the test above could not tell one from the other."""
    path = tmp_path / "model.gguf"
    write_random_gguf(path, vocab_size=290, layers=1, learn_from=PIECES * 9)
    made = {tuple(expected(path, patterns, SAMPLES)) for patterns in ([GPT2], [r"\p{N}", GPT2], [LLAMA3], [QWEN2])}
    assert len(made) == 4
