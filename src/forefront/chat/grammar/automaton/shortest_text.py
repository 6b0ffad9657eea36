"""The shortest text that an automaton accepts from each of its states."""

from typing import Final

from forefront.chat.grammar.automaton.pieces import PickledInPieces
from forefront.chat.grammar.automaton.regex_automaton import (
    CONCAT,
    EMPTY,
    FAIL,
    OR,
    REPEAT,
    SET,
    TEXT,
    RegexAutomaton,
    TooComplexError,
)

# The maximum number of states that one search for the shortest path visits.
_MAX_VISITED: Final = 20_000
# The preferred characters of a shortest text.
_PREFERRED: Final = tuple(dict.fromkeys((*b'a0"}]A1 ', *range(33, 127), *range(128, 256), *range(256))))
_RANKS: Final = bytes(_PREFERRED.index(byte) for byte in range(256))


class ShortestTexts(PickledInPieces):
    """The shortest texts of one automaton, cached by state."""

    def __init__(self, automaton: RegexAutomaton) -> None:
        self._automaton = automaton
        self._found: dict[int, bytes | None] = {FAIL: None, EMPTY: b""}

    def of(self, state: int) -> bytes | None:
        """The shortest bytes that are accepted from here, None if there are none; of several, the first in the order of
        preference, so that what follows their first byte is the shortest from there. Raises `TooComplexError`."""
        if state in self._found:
            return self._found[state]
        kind, *parts = self._automaton.expression(state)
        found: bytes | None
        if kind == SET:
            usable = parts[0] & self._automaton.available
            found = bytes([_preferred_byte(usable)]) if usable else None
        elif kind == CONCAT:
            found = self._of_concatenation(state)
        elif kind == OR:
            found = min(filter(None, map(self.of, parts)), key=_order, default=None)
            if self._automaton.accepts(state):
                found = b""
        elif kind == REPEAT:
            item = self.of(parts[0]) if parts[1] else b""
            found = None if item is None else item * parts[1]
        elif kind == TEXT:
            text = self._automaton.text_from(parts[0], parts[1])
            return text if all(self._automaton.available >> byte & 1 for byte in set(text)) else None
        else:
            found = self._search(state)
        self._found[state] = found
        return found

    def _of_concatenation(self, state: int) -> bytes | None:
        """The shortest bytes of a concatenation."""
        parts: list[bytes] = []
        while self._automaton.expression(state)[0] == CONCAT:
            _, first, state = self._automaton.expression(state)
            text = self.of(first)
            if text is None:
                return None
            parts.append(text)
        text = self.of(state)
        return None if text is None else b"".join([*parts, text])

    def _search(self, start: int) -> bytes | None:
        """The shortest bytes, by a search in the order of preference. The states on the path are cached."""
        came: dict[int, tuple[int, int]] = {start: (start, -1)}
        layer, depth = [start], 0
        best: tuple[int, bytes] | None = None
        while layer and (best is None or depth <= best[0]):
            following: list[int] = []
            for state in layer:
                rest = b"" if self._automaton.accepts(state) else self._found.get(state)
                if rest is not None and (best is None or depth + len(rest) <= best[0]):
                    text = _way(came, state, start) + rest
                    if best is None or _order(text) < _order(best[1]):
                        best = (len(text), text)
                if self._automaton.accepts(state) or state in self._found:
                    continue
                for usable, target in sorted(self._usable(state)):
                    if target not in came:
                        came[target] = (state, _PREFERRED[usable])
                        following.append(target)
            if len(came) > _MAX_VISITED:
                raise TooComplexError("its shortest text is too far")
            layer, depth = following, depth + 1
        if best is None:
            self._found.update(dict.fromkeys(came))
            return None
        state, text = start, best[1]
        for at, byte in enumerate(text):
            self._found.setdefault(state, text[at:])
            state = self._automaton.step(state, byte)
        return text

    def _usable(self, state: int) -> list[tuple[int, int]]:
        """The preferred byte of each step that can be written, by rank, with the state after it."""
        return [
            (_RANKS[_preferred_byte(mask & self._automaton.available)], target)
            for mask, target in self._automaton.splits(state)
            if mask & self._automaton.available
        ]


def _order(text: bytes) -> tuple[int, bytes]:
    """The sort key: length first, then preference of bytes."""
    return len(text), text.translate(_RANKS)


def _way(came: dict[int, tuple[int, int]], state: int, start: int) -> bytes:
    """The bytes that lead from `start` to `state`."""
    found = bytearray()
    while state != start:
        state, byte = came[state]
        found.append(byte)
    return bytes(reversed(found))


def _preferred_byte(mask: int) -> int:
    return next((byte for byte in _PREFERRED if mask >> byte & 1), -1)
