"""The state of an answer in its grammar, and the fewest tokens that complete it."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from forefront.chat.grammar.automaton.network import INFINITE, Network
from forefront.chat.grammar.automaton.regex_automaton import FAIL, TooComplexError

# The maximum number of parallel readings of one text.
_MAX_READINGS: Final = 512


class Frame:
    """A rule in progress: the state in which its caller continues, and the number of tokens that complete all enclosing
    rules."""

    __slots__ = ("distance", "parent", "state")

    def __init__(self, state: int, parent: "Frame | None", distance: int) -> None:
        self.state = state
        self.parent = parent
        self.distance = distance


@dataclass(frozen=True, slots=True)
class Position:
    """All readings of the text so far.

    `within` are those inside a terminal: its state in the automaton, the network's state after it, the frame.
    `between` are those between terminals: the network's state and the frame.
    """

    within: tuple[tuple[int, int, Frame | None], ...]
    between: tuple[tuple[int, Frame | None], ...]


# What begins at a state: rules that are called on the way (the states after the calls), a terminal or a control token,
# and the state after that.
_Opening = tuple[tuple[int, ...], int, int]
_Frames = dict[tuple[int, "Frame | None"], Frame]


class Completer:
    """Follows answers through one network. Each step takes time that does not depend on the length of the answer.

    `pieces` are the bytes of the tokens, empty for control tokens.
    """

    def __init__(self, network: Network, pieces: Sequence[bytes]) -> None:
        self._network = network
        self._automaton = network.automaton
        self._pieces = pieces
        self._finals = frozenset(network.finals)
        self._closures: dict[int, tuple[list[_Opening], list[_Opening], bool]] = {}
        self._steps: dict[tuple[int, int], list[_Opening]] = {}

    def start(self) -> Position:
        """The position before the first token."""
        return self._position({}, [(self._network.starts[0], None)])

    def advance(self, position: Position, token: int) -> Position | None:
        """The position after a token, None if it does not fit. Raises `TooComplexError`."""
        piece = self._pieces[token]
        return self._through_bytes(position, piece) if piece else self._through_control(position, token)

    def distance(self, position: Position) -> int:
        """The fewest tokens that complete the answer, without the end token, with each terminal tokenised
        separately."""
        network, found = self._network, INFINITE
        for state, after, frame in position.within:
            tokens = network.tokens(state)
            if tokens is not None:
                total = tokens[0] + network.distances[after] + (frame.distance if frame is not None else 0)
                found = min(found, total)
        for state, frame in position.between:
            found = min(found, network.distances[state] + (frame.distance if frame is not None else 0))
        return found

    def next_token(self, position: Position) -> int | None:
        """The first token of the shortest completion, None if the answer is complete."""
        network, best, found = self._network, INFINITE, None
        for state, after, frame in position.within:
            tokens = network.tokens(state)
            if tokens is not None and tokens[0]:
                total = tokens[0] + network.distances[after] + (frame.distance if frame is not None else 0)
                if total < best:
                    best, found = total, tokens[1]
        for state, frame in position.between:
            own = network.distances[state]
            total = own + (frame.distance if frame is not None else 0)
            if total < best and (own or frame is None):
                best, found = total, self._first_token(state) if own else None
        return found

    def _first_token(self, state: int) -> int:
        """The first token of the shortest path from `state` to the end of its rule."""
        network = self._network
        while True:
            best, step = INFINITE, None
            for edge in network.edges[state]:
                kind, what, target = edge
                cost = network.distances[network.starts[what]] if kind == "r" else 1 if kind == "c" else 0
                if kind == "t":
                    tokens = network.tokens(what)
                    cost = INFINITE if tokens is None else tokens[0]
                if cost + network.distances[target] < best:
                    best, step = cost + network.distances[target], edge
            assert step is not None
            kind, what, target = step
            if kind == "t":
                tokens = network.tokens(what)
                assert tokens is not None
                return tokens[1]
            if kind == "c":
                return what
            # Rules without text are skipped.
            is_entered = kind == "r" and network.distances[network.starts[what]]
            state = network.starts[what] if is_entered else target

    def _through_bytes(self, position: Position, piece: bytes) -> Position | None:
        automaton, at = self._automaton, 0
        if len(position.within) == 1 and not position.between:
            # Most positions are inside one terminal.
            state, after, frame = position.within[0]
            step, accepts = automaton.step, automaton.accepts
            while at < len(piece):
                state = step(state, piece[at])
                at += 1
                if accepts(state):
                    break
            if state == FAIL:
                return None
            position = self._position({(state, after, frame): None}, [])
        for byte in piece[at:]:
            within: dict[tuple[int, int, Frame | None], None] = {}
            frames: _Frames = {}
            for state, after, frame in position.within:
                following = automaton.step(state, byte)
                if following != FAIL:
                    within[following, after, frame] = None
            for state, frame in position.between:
                for calls, following, after in self._openings(state, byte):
                    within[following, after, self._called(calls, frame, frames)] = None
            if not within:
                return None
            position = self._position(within, [])
        return position

    def _through_control(self, position: Position, token: int) -> Position | None:
        frames: _Frames = {}
        reached = [
            (after, self._called(calls, frame, frames))
            for state, frame in position.between
            for calls, other, after in self._closure(state)[1]
            if other == token
        ]
        return self._position({}, reached) if reached else None

    def _position(
        self, within: dict[tuple[int, int, Frame | None], None], reached: list[tuple[int, Frame | None]]
    ) -> Position:
        """The readings, and those that follow from them without text."""
        accepts = self._automaton.accepts
        waiting = [(after, frame) for state, after, frame in within if accepts(state)] + reached
        between: dict[tuple[int, Frame | None], None] = {}
        while waiting:
            reading = waiting.pop()
            if reading in between:
                continue
            between[reading] = None
            state, frame = reading
            if frame is not None and self._closure(state)[2]:
                waiting.append((frame.state, frame.parent))
        if len(within) + len(between) > _MAX_READINGS:
            raise TooComplexError("it has too many readings")
        return Position(tuple(within), tuple(between))

    def _called(self, calls: tuple[int, ...], frame: Frame | None, frames: _Frames) -> Frame | None:
        """The innermost frame of `calls`. `frames`: the frames of this step, to share equal ones."""
        for state in calls:
            made = frames.get((state, frame))
            if made is None:
                distance = self._network.distances[state] + (frame.distance if frame is not None else 0)
                made = frames[state, frame] = Frame(state, frame, distance)
            frame = made
        return frame

    def _openings(self, state: int, byte: int) -> list[_Opening]:
        """The terminals that begin at `state` with `byte`, each after that byte."""
        found = self._steps.get((state, byte))
        if found is None:
            found = []
            for calls, terminal, after in self._closure(state)[0]:
                following = self._automaton.step(terminal, byte)
                if following != FAIL:
                    found.append((calls, following, after))
            self._steps[state, byte] = found
        return found

    def _closure(self, state: int) -> tuple[list[_Opening], list[_Opening], bool]:
        """The terminals and the control tokens that may follow, and whether the rule may end here."""
        found = self._closures.get(state)
        if found is None:
            terminals: list[_Opening] = []
            controls: list[_Opening] = []
            ends = False
            seen: set[tuple[int, tuple[int, ...]]] = set()
            waiting: list[tuple[int, tuple[int, ...]]] = [(state, ())]
            while waiting:
                reading = waiting.pop()
                if reading in seen:
                    continue
                seen.add(reading)
                place, calls = reading
                if place in self._finals:
                    if calls:
                        waiting.append((calls[-1], calls[:-1]))
                    else:
                        ends = True
                for kind, what, target in reversed(self._network.edges[place]):
                    if kind == "r":
                        after = calls if self._is_last(target) else (*calls, target)
                        waiting.append((self._network.starts[what], after))
                    elif kind == "":
                        waiting.append((target, calls))
                    else:
                        (terminals if kind == "t" else controls).append((calls, what, target))
            found = self._closures[state] = (terminals, controls, ends)
        return found

    def _is_last(self, state: int) -> bool:
        """Whether nothing can follow in the rule."""
        while state not in self._finals:
            edges = self._network.edges[state]
            if len(edges) != 1 or edges[0][0] != "":
                return False
            state = edges[0][2]
        return True
