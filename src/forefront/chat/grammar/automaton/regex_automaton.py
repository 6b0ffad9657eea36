"""Deterministic automata over bytes, by Brzozowski derivatives, with states created on demand."""

from collections.abc import Iterable
from typing import Final

from forefront.chat.grammar.automaton.character_ranges import Ranges
from forefront.chat.grammar.automaton.pieces import PickledInPieces
from forefront.chat.grammar.automaton.regex_tree import Alternation, Anchor, Chars, Concat, Lookaround, Regex, Repeat
from forefront.chat.grammar.automaton.utf8_ranges import utf8_blocks

FAIL: Final = 0
EMPTY: Final = 1
_ALL_BYTES: Final = (1 << 256) - 1
# States that may be made for one grammar.
_MAX_STATES: Final = 60_000

# Kinds of states, each a tuple whose first item is the kind.
SET, CONCAT, OR, AND, NOT, REPEAT, MULTIPLE, TEXT = range(2, 10)


class TooComplexError(Exception):
    """An automaton has too many states to be used."""


class RegexAutomaton(PickledInPieces):
    """All the automata of one grammar. A state is a number, which identifies a regular expression: that of the text
    that may follow. `available` is a bit set of the bytes that can be written one at a time."""

    def __init__(self, available: int = _ALL_BYTES) -> None:
        self.available = available
        self._states: list[tuple[int, ...]] = [(FAIL,), (EMPTY,)]
        self._numbers: dict[tuple[int, ...], int] = {(FAIL,): FAIL, (EMPTY,): EMPTY}
        self._accepting = [False, True]
        self._texts: list[bytes] = []
        self._steps: list[dict[int, int]] = [{}, {}]
        self._classes: dict[int, list[tuple[int, int]]] = {FAIL: [], EMPTY: []}

    # Construction

    def byte_set(self, mask: int) -> int:
        """One byte out of a bit set."""
        return self._state((SET, mask), accepting=False) if mask else FAIL

    def literal(self, data: bytes) -> int:
        """The bytes `data` exactly."""
        if len(data) < 2:
            return self.byte_set(1 << data[0]) if data else EMPTY
        self._texts.append(data)
        return self._text(len(self._texts) - 1, 0)

    def concat(self, first: int, second: int) -> int:
        """The first, then the second."""
        if FAIL in (first, second):
            return FAIL
        if first == EMPTY or second == EMPTY:
            return first + second - EMPTY
        kind = self._states[first]
        if kind[0] == CONCAT:
            return self.concat(kind[1], self.concat(kind[2], second))
        return self._state((CONCAT, first, second), self._accepting[first] and self._accepting[second])

    def either(self, options: Iterable[int]) -> int:
        """Any of them."""
        found = self._flat(options, OR)
        found.discard(FAIL)
        everything = self.anything()
        if everything in found:
            return everything
        mask = 0
        for option in [option for option in found if self._states[option][0] == SET]:
            mask |= self._states[option][1]
            found.discard(option)
        if mask:
            found.add(self.byte_set(mask))
        if len(found) < 2:
            return found.pop() if found else FAIL
        return self._state((OR, *sorted(found)), any(self._accepting[option] for option in found))

    def both(self, options: Iterable[int]) -> int:
        """All of them at once."""
        found = self._flat(options, AND)
        found.discard(self.anything())
        if FAIL in found:
            return FAIL
        if EMPTY in found:
            return EMPTY if all(self._accepting[option] for option in found) else FAIL
        if len(found) < 2:
            return found.pop() if found else self.anything()
        return self._state((AND, *sorted(found)), all(self._accepting[option] for option in found))

    def negation(self, state: int) -> int:
        """Any bytes but these."""
        kind = self._states[state]
        return kind[1] if kind[0] == NOT else self._state((NOT, state), not self._accepting[state])

    def repeat(self, state: int, minimum: int, maximum: int | None) -> int:
        """`state` that many times; `maximum` None: without limit."""
        if maximum == 0 or (state == FAIL and not minimum) or state == EMPTY:
            return EMPTY
        if state == FAIL:
            return FAIL
        if self._accepting[state]:
            minimum = 0
        if (minimum, maximum) == (1, 1):
            return state
        return self._state((REPEAT, state, minimum, -1 if maximum is None else maximum), accepting=not minimum)

    def anything(self) -> int:
        """Any bytes."""
        return self._state((NOT, FAIL), accepting=True)

    def multiple(self, divisor: int, scale: int) -> int:
        """Decimal numbers that are multiples of `divisor` / 10**`scale`; the caller checks the form of the number."""
        return self._multiple(divisor, scale, 0, -1)

    def of(self, node: Regex) -> int:
        """The state of an expression without assertions. Raises `TooComplexError`."""
        match node:
            case Chars(ranges):
                return self.characters(ranges)
            case Concat(items):
                found = EMPTY
                for item in reversed(items):
                    found = self.concat(self.of(item), found)
                return found
            case Alternation(items):
                return self.either(map(self.of, items))
            case Repeat(item, minimum, maximum):
                return self.repeat(self.of(item), minimum, maximum)
            case Lookaround() | Anchor():
                raise TooComplexError("an assertion")

    def characters(self, ranges: Ranges) -> int:
        """One character out of `ranges`, in UTF-8."""
        return self.either(
            self._bytes_between(bytes_low, bytes_high)
            for low, high in ranges
            for bytes_low, bytes_high in utf8_blocks(low, high)
        )

    def _bytes_between(self, low: bytes, high: bytes) -> int:
        found = EMPTY
        for first, last in zip(reversed(low), reversed(high), strict=True):
            found = self.concat(self.byte_set((1 << last + 1) - (1 << first)), found)
        return found

    # Use

    def accepts(self, state: int) -> bool:
        """Whether the text may end here."""
        return self._accepting[state]

    def step(self, state: int, byte: int) -> int:
        """The state after one more byte; `FAIL` if it does not fit."""
        steps = self._steps[state]
        found = steps.get(byte)
        if found is None:
            found = steps[byte] = self._derive(state, 1 << byte)
        return found

    def expression(self, state: int) -> tuple[int, ...]:
        """The expression of a state: its kind, then the states and numbers that it consists of."""
        return self._states[state]

    def text_from(self, number: int, start: int) -> bytes:
        """The rest of a literal from `start` on."""
        return self._texts[number][start:]

    def text_of(self, state: int) -> tuple[int, bytes, int] | None:
        """The number of the literal within which a state is, its bytes, and how many of them have come; None for a
        state that is within no literal."""
        kind, *parts = self._states[state]
        return (parts[0], self._texts[parts[0]], parts[1]) if kind == TEXT else None

    def splits(self, state: int) -> list[tuple[int, int]]:
        """The bytes that may follow, in disjoint sets, each with the state after it."""
        found = self._classes.get(state)
        if (
            found is None
            and self._states[state][0] == OR
            and all(self._states[part][0] == TEXT for part in self._states[state][1:])
        ):
            found = self._classes[state] = self._split_texts(self._states[state][1:])
        if found is None:
            targets: dict[int, int] = {}
            for mask in self._partition(state):
                target = self._derive(state, mask)
                if target != FAIL:
                    targets[target] = targets.get(target, 0) | mask
            found = [(mask, target) for target, mask in targets.items()]
            self._classes[state] = found
        return found

    def _split_texts(self, states: tuple[int, ...]) -> list[tuple[int, int]]:
        """The same for a choice of texts, in linear time."""
        groups: dict[int, list[int]] = {}
        for state in states:
            _, number, offset = self._states[state]
            groups.setdefault(self._texts[number][offset], []).append(self._text(number, offset + 1))
        return [(1 << byte, self.either(options)) for byte, options in groups.items()]

    def _text(self, number: int, offset: int) -> int:
        """The rest of a text."""
        if offset == len(self._texts[number]):
            return EMPTY
        return self._state((TEXT, number, offset), accepting=False)

    def _partition(self, state: int) -> list[int]:
        """Disjoint bit sets of bytes; the bytes of one lead to the same state."""
        kind, *parts = self._states[state]
        match kind:
            case 0 | 1:
                return [_ALL_BYTES]
            case 2:
                return [mask for mask in (parts[0], _ALL_BYTES & ~parts[0]) if mask]
            case 3:
                if self._accepting[parts[0]]:
                    return _refined([self._classes_of(parts[0]), self._classes_of(parts[1])])
                return self._classes_of(parts[0])
            case 4 | 5:
                return _refined([self._classes_of(part) for part in parts])
            case 6 | 7:
                return self._classes_of(parts[0])
        if kind == TEXT:
            bit = 1 << self._texts[parts[0]][parts[1]]
            return [bit, _ALL_BYTES & ~bit]
        digits = [1 << byte for byte in b"0123456789-."]
        return [*digits, _ALL_BYTES & ~sum(digits)]

    def _classes_of(self, state: int) -> list[int]:
        masks = [mask for mask, _ in self.splits(state)]
        rest = _ALL_BYTES & ~sum(masks)
        return [*masks, rest] if rest else masks

    def _derive(self, state: int, mask: int) -> int:
        kind, *parts = self._states[state]
        byte = (mask & -mask).bit_length() - 1
        match kind:
            case 0 | 1:
                return FAIL
            case 2:
                return EMPTY if parts[0] & mask else FAIL
            case 3:
                ahead = self.concat(self.step(parts[0], byte), parts[1])
                return self.either((ahead, self.step(parts[1], byte))) if self._accepting[parts[0]] else ahead
            case 4:
                return self.either([self.step(part, byte) for part in parts])
            case 5:
                return self.both([self.step(part, byte) for part in parts])
            case 6:
                return self.negation(self.step(parts[0], byte))
            case 7:
                item, minimum, maximum = parts
                rest = self.repeat(item, max(0, minimum - 1), None if maximum < 0 else maximum - 1)
                return self.concat(self.step(item, byte), rest)
        if kind == TEXT:
            return self._text(parts[0], parts[1] + 1) if self._texts[parts[0]][parts[1]] == byte else FAIL
        return self._multiple_step(parts, byte)

    def _multiple(self, divisor: int, scale: int, remainder: int, decimals: int) -> int:
        missing = scale - max(0, decimals)
        accepting = remainder * 10**missing % divisor == 0
        return self._state((MULTIPLE, divisor, scale, remainder, decimals), accepting)

    def _multiple_step(self, parts: list[int], byte: int) -> int:
        divisor, scale, remainder, decimals = parts
        if byte == 0x2D:
            return self._multiple(divisor, scale, remainder, decimals)
        if byte == 0x2E and decimals < 0:
            return self._multiple(divisor, scale, remainder, 0)
        if not 0x30 <= byte <= 0x39 or (decimals == scale and byte != 0x30):
            return FAIL
        if decimals == scale:  # zeros beyond the scale change nothing
            return self._multiple(divisor, scale, remainder, decimals)
        following = (remainder * 10 + byte - 0x30) % divisor
        return self._multiple(divisor, scale, following, decimals + 1 if decimals >= 0 else decimals)

    def _flat(self, options: Iterable[int], kind: int) -> set[int]:
        found: set[int] = set()
        for option in options:
            parts = self._states[option]
            found.update(parts[1:] if parts[0] == kind else (option,))
        return found

    def _state(self, key: tuple[int, ...], accepting: bool) -> int:
        number = self._numbers.get(key)
        if number is None:
            number = len(self._states)
            if number >= _MAX_STATES:
                raise TooComplexError("it has too many states")
            self._numbers[key] = number
            self._states.append(key)
            self._accepting.append(accepting)
            self._steps.append({})
        return number


def _refined(partitions: list[list[int]]) -> list[int]:
    """The coarsest common refinement of the partitions."""
    found = [_ALL_BYTES]
    for partition in {tuple(partition) for partition in partitions}:
        if len(partition) > 1:
            found = [common for mask in found for other in partition if (common := mask & other)]
    return found
