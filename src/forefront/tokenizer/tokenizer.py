"""The tokenizer of one model, as the rest of the program uses it."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from enum import Enum, auto
from typing import Protocol


class Preceding(Enum):
    """The text before a text: some tokenizers add a space to the beginning of a text that follows nothing."""

    NOTHING = auto()
    ADDED_TOKEN = auto()
    TEXT = auto()


class Encoder(Protocol):
    """Turns a text into token ids. Thread-safe."""

    def encode(self, text: str, before: Preceding) -> list[int]:
        """The tokens of `text`, control tokens recognised."""
        ...


@dataclass(frozen=True, slots=True)
class TokenFrame:
    """The tokens that a model expects before and after a text, and between two texts."""

    before: tuple[int, ...] = ()
    after: tuple[int, ...] = ()
    between: tuple[int, ...] = ()


@dataclass(frozen=True, slots=True)
class TokenFacts:
    """Facts in a tokenizer's files beyond the encoding of text.

    `pieces[id]` are the bytes of a token, empty for control tokens, whose texts are in `control` (text → id).
    `end_tokens` end an answer. `bos_token` and `eos_token` are texts, empty where there is none. `add_bos`, `add_eos`:
    whether the model was trained on texts with these tokens around them, None where unknown; `encode` adds neither.
    `frame` has all tokens around texts, where the files state them. `chat_template` is empty where there is none, and
    so is `rank_template`, the prompt for the relevance of `{document}` to `{query}`. `added` are the ids of the tokens
    that are found before a text is split, control tokens among them.
    """

    pieces: Sequence[bytes]
    control: Mapping[str, int]
    end_tokens: frozenset[int] = frozenset()
    bos_token: str = ""
    eos_token: str = ""
    add_bos: bool | None = None
    add_eos: bool | None = None
    chat_template: str = ""
    rank_template: str = ""
    frame: TokenFrame | None = None
    added: frozenset[int] = frozenset()


class Tokenizer:
    """Text to token ids, and token ids to the bytes they represent. Thread-safe. The attributes are `TokenFacts`.

    No token represents more than `longest` bytes.
    """

    def __init__(self, encoder: Encoder, facts: TokenFacts) -> None:
        self._encoder = encoder
        self._added = facts.added | set(facts.control.values())
        self.pieces = facts.pieces
        self.control = facts.control
        self.end_tokens = facts.end_tokens
        self.bos_token = facts.bos_token
        self.eos_token = facts.eos_token
        self.add_bos = facts.add_bos
        self.add_eos = facts.add_eos
        self.chat_template = facts.chat_template
        self.rank_template = facts.rank_template
        self.frame = facts.frame
        self.longest = max(map(len, (*facts.pieces, *(text.encode() for text in facts.control))), default=1)

    def encode(self, text: str) -> list[int]:
        """All tokens of `text`, however long; control tokens are recognised, none are added."""
        return self.encode_parts((text,))

    def encode_parts(self, parts: Sequence[str]) -> list[int]:
        """The tokens of each part, encoded by itself, one after the other: a control token is recognised within a part
        only, never across two. Lone surrogates count as U+FFFD."""
        tokens: list[int] = []
        for part in parts:
            if part:
                tokens += self._encoder.encode(valid_text(part), self._before(tokens))
        return tokens

    def _before(self, tokens: Sequence[int]) -> Preceding:
        if not tokens:
            return Preceding.NOTHING
        return Preceding.ADDED_TOKEN if tokens[-1] in self._added else Preceding.TEXT


def valid_text(text: str) -> str:
    """`text` without lone surrogates, which UTF-8 cannot express."""
    try:
        text.encode()
    except UnicodeEncodeError:
        return text.encode("utf-16", "surrogatepass").decode("utf-16", "replace")
    return text
