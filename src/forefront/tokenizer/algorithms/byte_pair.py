"""Byte pair encoding by a list of merges, as in GPT-2 and most later models."""

from collections.abc import Sequence
from itertools import count
from operator import itemgetter

from tokenizers import Regex, Tokenizer, models, normalizers, pre_tokenizers

from forefront.tokenizer.algorithms.pretokenizer import SplittingRule
from forefront.tokenizer.errors import TokenizerError, library_errors
from forefront.tokenizer.vocabulary.token_bytes import SPACE, byte_symbols
from forefront.tokenizer.vocabulary.token_table import TokenTable

Merge = tuple[str, str]


def merge_pipeline(table: TokenTable, merges: Sequence[Merge], rule: SplittingRule) -> Tokenizer:
    """Splits a text by `rule` and merges each word by `merges`, the first in the list first. Bytes without a token
    become the id that follows the last. Raises `TokenizerError`."""
    model = merge_model(table, merges, ignore_merges=rule.ignore_merges, byte_fallback=rule.raw)
    pipeline = Tokenizer(model)
    steps = [_split(pattern) for pattern in rule.patterns]
    if rule.raw:
        pipeline.normalizer = normalizers.Replace(" ", SPACE)
        steps += space_split(table.texts)
    else:
        steps.append(pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=False))
    pipeline.pre_tokenizer = pre_tokenizers.Sequence(steps)
    return pipeline


def merge_model(table: TokenTable, merges: Sequence[Merge], *, ignore_merges: bool, byte_fallback: bool) -> models.BPE:
    """The model within a pipeline. Raises `TokenizerError`."""
    ids, missing = table.ids, None
    if not byte_fallback and any(symbol not in ids for symbol in byte_symbols()):
        # Without a placeholder token, its neighbours would merge.
        missing = next(name for name in map("missing{}".format, count()) if name not in ids)
        ids = {**ids, missing: len(ids)}
    with library_errors("its merges do not fit its tokens"):
        return models.BPE(ids, merges, unk_token=missing, ignore_merges=ignore_merges, byte_fallback=byte_fallback)


def parse_merges(lines: Sequence[str]) -> list[Merge]:
    """Each line has two tokens with a space between them; of the same pair, the first counts. Raises
    `TokenizerError`."""
    if len(set(lines)) < len(lines):
        lines = list(dict.fromkeys(lines))
    # Files have up to half a million lines, so the common case avoids Python code per line.
    merges = [tuple(line.split(" ", 1)) for line in lines]
    if set(map(len, merges)) <= {2} and "" not in map(itemgetter(0), merges):
        return merges  # type: ignore[return-value] # each has two parts
    return [_pair(line) for line in lines]


def _pair(line: str) -> Merge:
    # A token may begin with a space.
    left, space, right = line[1:].partition(" ")
    if not space:
        raise TokenizerError(f"its merge {line[:80]!r} has not two parts")
    return line[0] + left, right


def space_split(texts: Sequence[str]) -> list[pre_tokenizers.PreTokenizer]:
    """Splits before U+2581 where no token spans the position. The tokens stay the same, and words get shorter."""
    pattern = rf"(?<=[^{SPACE}{''.join(map(_escaped, sorted(_crossed(texts))))}])(?={SPACE})"
    return [_split(pattern)]


def _split(pattern: str) -> pre_tokenizers.PreTokenizer:
    return pre_tokenizers.Split(Regex(pattern), "isolated")


def ends_words(texts: Sequence[str]) -> bool:
    """Whether no token has a letter before U+2581, so that a space after a letter always ends a word."""
    return not any(character.isascii() and character.isalpha() for character in _crossed(texts))


def _crossed(texts: Sequence[str]) -> set[str]:
    """The characters that a token has before U+2581. Split, since a regular expression takes three times as long."""
    return {part[-1] for part in "\n".join(texts).split(SPACE)[:-1] if part} - {"\n"}


def _escaped(character: str) -> str:
    return f"\\x{{{ord(character):X}}}"
