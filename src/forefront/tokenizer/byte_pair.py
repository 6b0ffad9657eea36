"""Byte pair encoding by a list of merges, as GPT-2 has it, and most models since."""

import re
from collections.abc import Sequence
from typing import Final

from tokenizers import Regex, Tokenizer, models, normalizers, pre_tokenizers

from forefront.tokenizer.errors import TokenizerError
from forefront.tokenizer.pieces import SPACE
from forefront.tokenizer.splitting import SplittingRule
from forefront.tokenizer.token_table import TokenTable

Merge = tuple[str, str]


def merge_pipeline(table: TokenTable, merges: Sequence[Merge], rule: SplittingRule) -> Tokenizer:
    """Splits a text by `rule` and merges each word by `merges`, the first in the list first. Raises `TokenizerError`."""
    pipeline = Tokenizer(merge_model(table, merges, ignore_merges=rule.ignore_merges, byte_fallback=rule.raw))
    steps = [pre_tokenizers.Split(Regex(pattern), "isolated") for pattern in rule.patterns]
    if rule.raw:
        pipeline.normalizer = normalizers.Replace(" ", SPACE)
        steps += space_split(table.texts)
    else:
        steps.append(pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=False))
    pipeline.pre_tokenizer = pre_tokenizers.Sequence(steps)
    return pipeline


def merge_model(table: TokenTable, merges: Sequence[Merge], *, ignore_merges: bool, byte_fallback: bool) -> models.BPE:
    """The model within a pipeline. Raises `TokenizerError`."""
    try:
        return models.BPE(dict(table.ids), list(merges), ignore_merges=ignore_merges, byte_fallback=byte_fallback)
    except Exception as error:  # the library raises nothing narrower
        raise TokenizerError(f"its merges do not fit its tokens: {error}") from None


def parse_merges(lines: Sequence[str]) -> list[Merge]:
    """Each line has two tokens with a space between them; of the same pair, the first counts."""
    merges = [tuple(line.split(" ", 1)) for line in dict.fromkeys(lines)]
    for place, merge in enumerate(merges):
        # A token may begin with a space.
        if len(merge) != 2 or not merge[0]:
            left, space, right = lines[place][1:].partition(" ")
            if not space:
                raise TokenizerError(f"its merge {place}, {lines[place][:80]!r}, has not two parts")
            merges[place] = (lines[place][0] + left, right)
    return merges  # type: ignore[return-value] # each has two parts


def space_split(texts: Sequence[str]) -> list[pre_tokenizers.Split]:
    """Cuts before U+2581 where no token reaches over: the same tokens as without, from shorter words."""
    crossed = sorted(set(_CROSSING.findall("\n".join(texts))))
    pattern = rf"(?<=[^{SPACE}{''.join(map(_escaped, crossed))}])(?={SPACE})"
    return [pre_tokenizers.Split(Regex(pattern), "isolated")]


def ends_words(texts: Sequence[str]) -> bool:
    """Whether no token has a letter before U+2581, so that a space after a letter always ends a word."""
    return not any(character.isascii() and character.isalpha() for character in _CROSSING.findall("\n".join(texts)))


_CROSSING: Final = re.compile(rf"([^{SPACE}\n])(?={SPACE})")


def _escaped(character: str) -> str:
    return f"\\x{{{ord(character):X}}}"
