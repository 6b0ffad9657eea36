"""Stop strings in a stream of text."""

from collections.abc import Sequence


class StopStrings:
    """Aho–Corasick automaton over the stop strings of one request, shared by its choices.

    A state is the longest end of the text that is a beginning of a stop string. States are built as deep as the text
    has reached, so construction costs no more than the characters that were fed: at most one state per stop string for
    each.
    """

    def __init__(self, stops: Sequence[str]) -> None:
        self.firsts = frozenset(stop[0] for stop in stops)
        self._next: list[dict[str, int]] = [{}]  # state → character → the state one character deeper
        self._fallback = [0]  # state → its longest proper end that is a state too
        self._found = [0]  # state → length of the longest stop string that it ends in
        self._depth = [0]
        self._level = 0  # all states up to this depth are built
        self._growing = [(stop, 0) for stop in stops]  # those that go deeper, with their states so far

    def step(self, state: int, character: str) -> int:
        """The state after one more character; amortised O(1)."""
        if self._depth[state] == self._level and self._growing:
            self._grow()
        while True:
            following = self._next[state].get(character)
            if following is not None:
                return following
            if not state:
                return 0
            state = self._fallback[state]

    def depth(self, state: int) -> int:
        """The number of characters at the text's end that may begin a stop string."""
        return self._depth[state]

    def found(self, state: int) -> int:
        """The length of the longest stop string that the text ends in, 0 for none."""
        return self._found[state]

    def _grow(self) -> None:
        """Build the states one level deeper."""
        growing = []
        for stop, state in self._growing:
            character = stop[self._level]
            following = self._next[state].get(character)
            if following is None:
                following = self._add(state, character)
            if len(stop) == self._level + 1:
                self._found[following] = len(stop)
            else:
                growing.append((stop, following))
        self._growing = growing
        self._level += 1

    def _add(self, state: int, character: str) -> int:
        # The fallback is less deep than the new state, so its level is complete.
        fallback = self.step(self._fallback[state], character) if state else 0
        added = len(self._next)
        self._next[state][character] = added
        self._next.append({})
        self._fallback.append(fallback)
        self._found.append(self._found[fallback])
        self._depth.append(self._level + 1)
        return added


class StopMatcher:
    """Lets the text of one choice through up to the first stop string.

    The match that ends first counts (of those that end together, the longest), so the result does not depend on how
    the text was cut into pieces. Text is held back only while it may be the beginning of a stop string. `matched` is
    the stop string that was found.
    """

    def __init__(self, stops: StopStrings) -> None:
        self._stops = stops
        self._state = 0
        self._held = ""
        self.stopped = False
        self.matched: str | None = None

    def feed(self, text: str) -> str:
        """The text that can be shown now; after a match (`stopped`) nothing more is."""
        if self.stopped:
            return ""
        stops, state = self._stops, self._state
        if not state and stops.firsts.isdisjoint(text):
            return text
        before = len(self._held)
        text = self._held + text
        for end in range(before, len(text)):
            state = stops.step(state, text[end])
            if length := stops.found(state):
                self.stopped = True
                self._held = ""
                self.matched = text[end + 1 - length : end + 1]
                return text[: end + 1 - length]
        self._state = state
        shown = len(text) - stops.depth(state)
        self._held = text[shown:]
        return text[:shown]

    def flush(self) -> str:
        """The withheld text, at the end of the answer."""
        held, self._held = self._held, ""
        return held
