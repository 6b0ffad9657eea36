"""A grammar as a recursive transition network, with the fewest tokens from each of its states to the end."""

import heapq
from collections.abc import Callable, Iterable
from decimal import Decimal
from typing import Any, Final

from forefront.chat.grammar.automaton.lark_reader import (
    Complement,
    Control,
    Expression,
    Intersection,
    Json,
    LarkString,
    LarkSyntaxError,
    Name,
    Options,
    Pattern,
    Series,
    Times,
)
from forefront.chat.grammar.automaton.left_recursion import Edge, check_left_recursion
from forefront.chat.grammar.automaton.pieces import PickledInPieces
from forefront.chat.grammar.automaton.regex_automaton import EMPTY, FAIL, RegexAutomaton, TooComplexError
from forefront.chat.grammar.automaton.regex_syntax import RegexSyntaxError, parse_regex, without_anchors
from forefront.chat.grammar.automaton.shortest_text import ShortestTexts
from forefront.chat.grammar.schema.number_pattern import (
    integer_at_least,
    integer_at_most,
    number_at_least,
    number_at_most,
)

_MAX_STATES: Final = 100_000
INFINITE: Final = 1 << 40
_MISSING: Final = (-1, -1)

# The token that begins a text at a place, the longest there is, and where it ends; None if no token does.
Longest = Callable[[bytes, int], tuple[int, int] | None]


class UnsupportedGrammarError(Exception):
    """The grammar has no network: it uses unsupported syntax or needs too many states."""


class Network(PickledInPieces):
    """`starts` are the first states of the rules, `finals` the last ones. `distances` counts the tokens from a state
    to the end of its rule, each terminal tokenised separately."""

    def __init__(self, rules: dict[str, Expression], automaton: RegexAutomaton, longest: Longest) -> None:
        self.automaton = automaton
        self._shortest = ShortestTexts(automaton)
        self.edges: list[list[Edge]] = []
        self.starts: list[int] = []
        self.finals: list[int] = []
        self._rules = rules
        self._longest = longest
        self._numbers: dict[str, int] = {}  # rule → place in `starts`
        self._terminals: dict[str, int] = {}
        self._tokens: dict[int, tuple[int, int] | None] = {}
        self._counts: dict[int, dict[int, tuple[int, int]]] = {}  # literal → place in it → tokens
        try:
            self._build()
            check_left_recursion(self.edges, self.starts, self.finals)
            self.distances = self._measured()
        except (LarkSyntaxError, RegexSyntaxError, TooComplexError, RecursionError) as error:
            raise UnsupportedGrammarError(str(error)) from None

    def rule_distance(self, name: str) -> int:
        """The fewest tokens of a rule; 0 for a rule that is not used."""
        return self.distances[self.starts[self._numbers[name]]] if name in self._numbers else 0

    def __getstate__(self) -> dict[str, Any]:
        return {**super().__getstate__(), "_longest": None, "_rules": {}}

    def attach(self, longest: Longest) -> None:
        """Attach the token finder to a copy from another process."""
        self._longest = longest

    def tokens(self, state: int) -> tuple[int, int] | None:
        """The number of tokens that complete a terminal from a state of the automaton, and the first one (-1: none
        needed); None if it cannot be completed."""
        found = self._tokens.get(state, _MISSING)
        if found is _MISSING:
            literal = self.automaton.text_of(state)
            if literal is not None:
                found = self._tokens_of(literal[1], literal[2], self._counts.setdefault(literal[0], {}))
            else:
                data = self._shortest.of(state)
                found = None if data is None else self._tokens_of(data, 0, {})
            self._tokens[state] = found
        return found

    def _tokens_of(self, data: bytes, start: int, known: dict[int, tuple[int, int]]) -> tuple[int, int] | None:
        """The tokens of `data` from `start` on; `known` are those from other places on."""
        places: list[tuple[int, int]] = []
        at = start
        while at < len(data) and at not in known:
            found = self._longest(data, at)
            if found is None:
                return None
            places.append((at, found[0]))
            at = found[1]
        count = known[at][0] if at < len(data) else 0
        for place, token in reversed(places):
            count += 1
            known[place] = (count, token)
        return known.get(start, (0, -1))

    def _build(self) -> None:
        waiting = [self._rule("start")]
        built: set[int] = set()
        names: list[str] = []
        while waiting:
            number = waiting.pop()
            if number in built:
                continue
            built.add(number)
            names = list(self._numbers)
            self._fill(names[number], number)
            waiting += range(len(names), len(self._numbers))

    def _fill(self, name: str, number: int) -> None:
        expression = self._rules[name]
        options = expression.items if isinstance(expression, Options) else (expression,)
        start, final = self.starts[number], self.finals[number]
        recursive = [option for option in options if _begins_with(option, name)]
        if not recursive:
            for option in options:
                self._add(option, start, final)
            return
        # Left recursion: what does not begin with the rule itself, then any number of what follows it.
        middle = self._state()
        for option in options:
            if option not in recursive:
                self._add(option, start, middle)
            elif isinstance(option, Series):
                self._add(Series(option.items[1:]), middle, middle)
        self._edge(middle, ("", 0, final))

    def _rule(self, name: str) -> int:
        if name not in self._rules:
            raise LarkSyntaxError(f"no rule `{name}`")
        if name not in self._numbers:
            self._numbers[name] = len(self.starts)
            self.starts.append(self._state())
            self.finals.append(self._state())
        return self._numbers[name]

    def _add(self, expression: Expression, start: int, final: int) -> None:
        """Edges for `expression` from `start` to `final`."""
        match expression:
            case Series(items):
                joined = _joined(items)
                for place, item in enumerate(joined):
                    following = final if place == len(joined) - 1 else self._state()
                    self._add(item, start, following)
                    start = following
                if not joined:
                    self._edge(start, ("", 0, final))
            case Options(items):
                for item in items:
                    self._add(item, start, final)
            case Times(item, minimum, maximum):
                self._add_times(item, minimum, maximum, start, final)
            case Control(token):
                self._edge(start, ("c", token, final))
            case Name(name) if not name.lstrip("_")[:1].isupper():
                self._edge(start, ("r", self._rule(name), final))
            case _:
                state = self._terminal(expression)
                if state != EMPTY and state != FAIL:
                    self._edge(start, ("t", state, final))
                if self.automaton.accepts(state):
                    self._edge(start, ("", 0, final))

    def _add_times(self, item: Expression, minimum: int, maximum: int | None, start: int, final: int) -> None:
        for _ in range(minimum):
            following = self._state()
            self._add(item, start, following)
            start = following
        if maximum is None:
            loop = self._state()
            self._edge(start, ("", 0, loop))
            self._add(item, loop, loop)
            self._edge(loop, ("", 0, final))
            return
        for _ in range(maximum - minimum):
            self._edge(start, ("", 0, final))
            following = self._state()
            self._add(item, start, following)
            start = following
        self._edge(start, ("", 0, final))

    def _terminal(self, expression: Expression) -> int:
        """The automaton's state for an expression without rules."""
        automaton = self.automaton
        match expression:
            case LarkString(data, any_case):
                if any_case:
                    raise LarkSyntaxError("a string of any case")
                return automaton.literal(data)
            case Pattern(text, flags):
                return automaton.of(parse_regex(without_anchors(text), "rust", flags))
            case Series(items):
                found = EMPTY
                for item in reversed(items):
                    found = automaton.concat(self._terminal(item), found)
                return found
            case Options(items):
                return automaton.either(map(self._terminal, items))
            case Intersection(items):
                return automaton.both(map(self._terminal, items))
            case Complement(item):
                return automaton.negation(self._terminal(item))
            case Times(item, minimum, maximum):
                return automaton.repeat(self._terminal(item), minimum, maximum)
            case Json(schema):
                return _number(schema, automaton)
            case Name(name) if name in self._rules:
                if name not in self._terminals:
                    self._terminals[name] = self._terminal(self._rules[name])
                return self._terminals[name]
        raise LarkSyntaxError("a terminal of an unknown kind")

    def _measured(self) -> list[int]:
        """The distances, by Knuth's generalization of Dijkstra's algorithm."""
        found = [INFINITE] * len(self.edges)
        backward: list[list[Edge]] = [[] for _ in self.edges]
        calls: list[list[tuple[int, int]]] = [[] for _ in self.starts]  # rule → (caller, state after the call)
        for state, edges in enumerate(self.edges):
            for kind, what, target in edges:
                backward[target].append((kind, what, state))
                if kind == "r":
                    calls[what].append((state, target))
        rule_of = {start: number for number, start in enumerate(self.starts)}
        queue = [(0, final) for final in self.finals]
        while queue:
            distance, state = heapq.heappop(queue)
            if found[state] <= distance:
                continue
            found[state] = distance
            for kind, what, before in backward[state]:
                cost = found[self.starts[what]] if kind == "r" else self._cost(kind, what)
                if distance + cost < found[before]:
                    heapq.heappush(queue, (distance + cost, before))
            if state in rule_of:
                for caller, after in calls[rule_of[state]]:
                    if found[after] + distance < found[caller]:
                        heapq.heappush(queue, (found[after] + distance, caller))
        return found

    def _cost(self, kind: str, what: int) -> int:
        if kind != "t":
            return 1 if kind == "c" else 0
        tokens = self.tokens(what)
        return INFINITE if tokens is None else tokens[0]

    def _state(self) -> int:
        if len(self.edges) >= _MAX_STATES:
            raise LarkSyntaxError("it has too many states")
        self.edges.append([])
        return len(self.edges) - 1

    def _edge(self, start: int, edge: Edge) -> None:
        self.edges[start].append(edge)


def _joined(items: tuple[Expression, ...]) -> list[Expression]:
    """The expression with adjacent strings joined, which take fewer tokens."""
    found: list[Expression] = []
    for item in items:
        if isinstance(item, LarkString) and found and isinstance(found[-1], LarkString) and not item.any_case:
            found[-1] = LarkString(found[-1].data + item.data, found[-1].any_case)
        else:
            found.append(item)
    return found


def _begins_with(expression: Expression, name: str) -> bool:
    return isinstance(expression, Series) and bool(expression.items) and expression.items[0] == Name(name)


def _number(schema: Any, automaton: RegexAutomaton) -> int:
    """The state of a number that is a multiple of another, within bounds."""
    integer = schema.get("type") == "integer"
    divisor, scale = Decimal(repr(schema["multipleOf"])), 0
    while divisor != int(divisor):
        divisor, scale = divisor * 10, scale + 1
    plain = "-?(?:0|[1-9][0-9]*)" if integer else r"-?(?:0|[1-9][0-9]*)(?:\.[0-9]+)?"
    regexes = [plain]
    at_least, at_most = (integer_at_least, integer_at_most) if integer else (number_at_least, number_at_most)
    for keyword, write in (("minimum", at_least), ("maximum", at_most)):
        for name, exclusive in ((keyword, False), ("exclusive" + keyword.capitalize(), True)):
            if name in schema:
                regexes.append(write(Decimal(repr(schema[name])), exclusive=exclusive))
    states = [automaton.of(parse_regex(regex, "rust")) for regex in regexes]
    return automaton.both([automaton.multiple(int(divisor), scale), *states])


def available_bytes(pieces: Iterable[bytes]) -> int:
    """The bytes that are tokens by themselves, as a bit set."""
    found = 0
    for piece in pieces:
        if len(piece) == 1:
            found |= 1 << piece[0]
    return found
