"""Finds the texts of control tokens in other texts."""

import re
from collections.abc import Iterable, Iterator
from itertools import groupby
from os.path import commonprefix

# A search holds the interpreter lock until it ends, so a long text is searched in pieces of this many characters.
_PIECE = 2**16
_DEPTH = 20  # maximum nesting of branches, which Python's compiler reads recursively


class ControlTokenFinder:
    """Finds the texts of control tokens, overlapping ones too.

    The pattern is the trie of all texts, so the cost of a character does not depend on the number of control tokens.
    Texts of one character are omitted, because they cannot be split.
    """

    def __init__(self, token_texts: Iterable[str]) -> None:
        texts = [text for text in token_texts if len(text) > 1]
        self._longest = max(map(len, texts), default=0)
        self._pattern = re.compile(f"(?={_trie(texts)})") if texts else None
        self._firsts = {text[0] for text in texts}

    def occurs_in(self, text: str) -> bool:
        """Whether `text` contains the text of a control token."""
        return next(self.places(text), None) is not None

    def places(self, text: str) -> Iterator[int]:
        """The position of each occurrence, in order."""
        if self._pattern is None or not any(first in text for first in self._firsts):
            return
        for begin in range(0, len(text), _PIECE):
            piece = text[begin : begin + _PIECE + self._longest - 1]
            for match in self._pattern.finditer(piece):
                if match.start() >= _PIECE:
                    break
                yield begin + match.start()


def _trie(texts: Iterable[str], depth: int = _DEPTH) -> str:
    """A regular expression for any of `texts`. A text that begins with another one needs no separate branch."""
    texts = sorted(texts)
    shared = commonprefix(texts)  # noqa: RUF071 - of characters
    rests = [text[len(shared) :] for text in texts]
    if "" in rests:
        return re.escape(shared)
    if not depth:
        return re.escape(shared) + f"(?:{'|'.join(map(re.escape, rests))})"
    branches = [_trie(group, depth - 1) for _, group in groupby(rests, key=lambda rest: rest[0])]
    return re.escape(shared) + f"(?:{'|'.join(branches)})"
