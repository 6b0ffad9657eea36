"""Encoding by the library `tokenizers`: in bounded memory, without the interpreter lock."""

import os
import re
import unicodedata
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Final

import tokenizers

from forefront.tokenizer.errors import library_errors
from forefront.tokenizer.tokenizer import Preceding

# The library's thread pool would compete with the engine's threads; callers encode in parallel in their own threads.
os.environ.setdefault("TOKENIZERS_PARALLELISM", "false")

# The library keeps more than a hundred bytes for each byte of a text; short texts also stay in the processor's cache.
_CHUNK: Final = 32_768
_LETTER: Final = r"[^\W\d_]"
# At these positions after a letter, words end by every splitting rule except those that join words.
_WORD_ENDS: Final = re.compile(rf"{_LETTER}(?= [A-Za-z]|[\n。，])")
# Where tokens are written with U+2581 for a space, only a space ends a word.
_SPACE_ENDS: Final = re.compile(r"[A-Za-z](?= [A-Za-z])")
ALL_DIGITS: Final = re.compile(r"\d{300,}")
ASCII_DIGITS: Final = re.compile(r"[0-9]{300,}")
_GROUP: Final = 99


@dataclass(frozen=True, slots=True)
class AddedToken:
    """A token that is looked for in a text before it is split. `strips_left`, `strips_right`: whitespace there belongs
    to the token."""

    text: str
    control: bool
    strips_left: bool = False
    strips_right: bool = False


@dataclass(frozen=True, slots=True)
class TextEncoder:
    """`pipeline` encodes a text from its beginning; `continued`, where it differs, what follows other text. `added` are
    the texts of the added tokens by id. `ends` finds places where a long text may be cut, None if none are known.
    `digits` finds long runs of digits that are cut in multiples of three from their ends, which saves quadratic time.
    `missing`: an id that represents bytes without a token, and is left out. `prefixes_after_control`: what follows an
    added token is encoded like the beginning of a text.
    """

    pipeline: tokenizers.Tokenizer
    continued: tokenizers.Tokenizer | None
    added: Mapping[int, str]
    ends: re.Pattern[str] | None
    digits: re.Pattern[str] | None = None
    missing: int | None = None
    prefixes_after_control: bool = True

    def encode(self, text: str, before: Preceding) -> list[int]:
        """The tokens of `text`, control tokens recognised."""
        tokens: list[int] = []
        for chunk, place in self._chunks(text, before):
            tokens += self._encode(chunk, place)
        if self.missing is not None:
            return [token for token in tokens if token != self.missing]
        return tokens

    def _encode(self, text: str, before: Preceding) -> list[int]:
        if self.continued is None or before is Preceding.NOTHING:
            return _ids(self.pipeline, text)
        if not self.prefixes_after_control:
            return _ids(self.continued, text)
        if before is Preceding.ADDED_TOKEN:
            return _ids(self.pipeline, text)
        return self._encode_continued(self.continued, text)

    def _encode_continued(self, continued: tokenizers.Tokenizer, text: str) -> list[int]:
        """Text before the first added token follows other text; text after it does not."""
        encoding = self.pipeline.encode(text, add_special_tokens=False)
        for place, (token, (start, end)) in enumerate(zip(encoding.ids, encoding.offsets, strict=True)):
            if self.added.get(token) == text[start:end].strip():
                return _ids(continued, text[:start]) + encoding.ids[place:]
        return _ids(continued, text)

    def _chunks(self, text: str, before: Preceding) -> Iterator[tuple[str, Preceding]]:
        """Parts of `text` that have the same tokens as the whole, and what each follows."""
        if self.digits is not None:
            yield from ((part, before) for part in _digit_parts(text, self.digits))
            return
        start = 0
        while self.ends is not None and len(text) - start > _CHUNK:
            found = self.ends.search(text, start + _CHUNK)
            if found is None:
                break
            yield text[start : found.end()], before
            # The beginning of a text gets a space before it, which replaces the one that is left out here.
            start = found.end() + (self.continued is not None)
            before = Preceding.NOTHING
        yield text[start:], before


def word_ends(added: Sequence[AddedToken], *, spaces_only: bool) -> re.Pattern[str] | None:
    """The positions at which a long text may be cut without cutting an added token."""
    ends = _SPACE_ENDS if spaces_only else _WORD_ENDS
    for token in added:
        touches = token.text[:1].isalpha() if spaces_only else False
        if touches or (token.strips_right and token.text[-1:].isalpha()) or _WORD_ENDS_WITHIN.search(token.text):
            return None
    return ends


_WORD_ENDS_WITHIN: Final = re.compile(rf"{_LETTER}[ \n。，]")


def add_tokens(pipeline: tokenizers.Tokenizer, added: Sequence[AddedToken]) -> None:
    """Make `pipeline` look for tokens of its vocabulary before it splits a text."""
    pipeline.add_tokens(
        [
            tokenizers.AddedToken(
                token.text, special=token.control, normalized=False, lstrip=token.strips_left, rstrip=token.strips_right
            )
            for token in added
        ]
    )


def _ids(pipeline: tokenizers.Tokenizer, text: str) -> list[int]:
    # The call for one text holds the interpreter lock, the call for many releases it.
    with library_errors("a text cannot be encoded"):
        ids: list[int] = pipeline.encode_batch_fast([text], add_special_tokens=False)[0].ids
    return ids


def _digit_parts(text: str, runs: re.Pattern[str]) -> Iterator[str]:
    start = 0
    for run in runs.finditer(text):
        last = run.end()
        # Groups are counted from the end of the whole number, of which a fraction may be part.
        while runs is ALL_DIGITS and unicodedata.category(text[last : last + 1] or " ")[0] == "N":
            last += 1
        for end in range(run.start() + ((last - run.start()) % _GROUP or _GROUP), run.end(), _GROUP):
            yield text[start:end]
            start = end
    yield text[start:]
