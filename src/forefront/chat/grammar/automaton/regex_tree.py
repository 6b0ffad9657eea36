"""The syntax tree of a regular expression."""

from dataclasses import dataclass

from forefront.chat.grammar.automaton.character_ranges import Ranges


@dataclass(frozen=True, slots=True)
class Chars:
    """One character out of `ranges` (code points, both ends included)."""

    ranges: Ranges


@dataclass(frozen=True, slots=True)
class Concat:
    """All `items` in order."""

    items: "tuple[Regex, ...]"


@dataclass(frozen=True, slots=True)
class Alternation:
    """One of `items`."""

    items: "tuple[Regex, ...]"


@dataclass(frozen=True, slots=True)
class Repeat:
    """`item` at least `minimum` and at most `maximum` times (None: no limit)."""

    item: "Regex"
    minimum: int
    maximum: int | None


@dataclass(frozen=True, slots=True)
class Lookaround:
    """An assertion about the text ahead, or behind."""

    item: "Regex"
    ahead: bool
    negative: bool


@dataclass(frozen=True, slots=True)
class Anchor:
    """The start or the end of the text."""

    at_start: bool


Regex = Chars | Concat | Alternation | Repeat | Lookaround | Anchor


def has_assertion(node: Regex) -> bool:
    """Whether the tree holds a look-around or an anchor."""
    match node:
        case Concat(items) | Alternation(items):
            return any(map(has_assertion, items))
        case Repeat(item):
            return has_assertion(item)
    return isinstance(node, Lookaround | Anchor)
