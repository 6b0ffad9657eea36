"""Left recursion in the rules of a network."""

from collections.abc import Collection, Sequence

from forefront.chat.grammar.automaton.lark_reader import LarkSyntaxError

# The label of an edge: nothing, a terminal (a state of the automaton), a control token, or a rule.
Edge = tuple[str, int, int]  # kind ("" | "t" | "c" | "r"), what, target


def check_left_recursion(edges: Sequence[Sequence[Edge]], starts: Sequence[int], finals: Collection[int]) -> None:
    """Raise `LarkSyntaxError` for a rule that can begin with itself; see `Network`."""
    finals = set(finals)
    nullable: set[int] = set()  # rules
    firsts: list[set[int]] = []
    changed = True
    while changed:
        changed, firsts = False, []
        for number, start in enumerate(starts):
            reached, called = _beginning(edges, start, nullable)
            firsts.append(called)
            if number not in nullable and reached & finals:
                nullable.add(number)
                changed = True
    state_of: dict[int, int] = {}  # 1: on the way, 2: done
    for root in range(len(firsts)):
        stack = [(root, iter(firsts[root]))] if root not in state_of else []
        while stack:
            rule, following = stack[-1]
            state_of[rule] = 1
            other = next(following, None)
            if other is None:
                state_of[rule] = 2
                stack.pop()
            elif state_of.get(other) == 1:
                raise LarkSyntaxError("a rule begins with itself")
            elif other not in state_of:
                stack.append((other, iter(firsts[other])))


def _beginning(edges: Sequence[Sequence[Edge]], start: int, nullable: set[int]) -> tuple[set[int], set[int]]:
    """The states that are reached from `start` without text, and the rules that are called from them."""
    reached, called, waiting = {start}, set(), [start]
    while waiting:
        for kind, what, target in edges[waiting.pop()]:
            if kind == "r":
                called.add(what)
            if (kind == "" or (kind == "r" and what in nullable)) and target not in reached:
                reached.add(target)
                waiting.append(target)
    return reached, called
