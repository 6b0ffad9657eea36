"""A child process compiles every new grammar first: some take hours or all memory and cannot be interrupted. A grammar
that the child compiled in time is safe to compile here.

python -m forefront.chat.grammar.grammar_worker FD the child; FD is its end of the connection
"""

import os
import subprocess
import sys
from dataclasses import dataclass
from multiprocessing.connection import Connection

from llguidance import LLMatcher, LLParserLimits

from forefront.chat.grammar.automaton.lark_reader import LarkSyntaxError, read_lark
from forefront.chat.grammar.automaton.network import INFINITE, Network, UnsupportedGrammarError, available_bytes
from forefront.chat.grammar.automaton.regex_automaton import RegexAutomaton
from forefront.chat.grammar.grammar_source import (
    MAX_RELAXATION,
    ExpandedGrammar,
    GrammarRefusedError,
    GrammarSource,
    expand,
)
from forefront.chat.grammar.vocabulary import TokenIndex, Vocabulary
from forefront.chat.subprocess_worker import bound_memory, bound_processor_time, start_child
from forefront.engine.free_memory import tune_allocator

TIME_LIMIT = 3.0
_START_LIMIT = 30.0
_MEMORY_LIMIT = 4 * 2**30
# A low priority keeps slow grammars from slowing the event loop and the engine.
_NICE = 5
# States of a lexer take up to 2 KiB each, and stay as long as the grammar is kept.
_LIMITS = {"verbose_errors": False, "max_lexer_states": 20_000, "initial_lexer_fuel": 1_000_000}


@dataclass(frozen=True, slots=True)
class CheckedGrammar:
    """A grammar that compiles: its form for llguidance, its network if there is one, and the paths of unenforced schema
    keywords."""

    llguidance: str
    network: Network | None
    left_out: tuple[str, ...]


def compile_here(index: TokenIndex, llguidance: str) -> LLMatcher:
    """The grammar in its first state. Raises `GrammarRefusedError`."""
    matcher = LLMatcher(index.masks, llguidance, log_level=0, limits=LLParserLimits(**_LIMITS))
    if matcher.is_error():
        raise GrammarRefusedError(matcher.get_error())
    return matcher


class GrammarWorker:
    """A child process that compiles grammars one by one. It is replaced after a grammar that exceeds its limits."""

    def __init__(self, vocabulary: Vocabulary) -> None:
        self._vocabulary = vocabulary
        self._child: subprocess.Popen[bytes] | None = None
        self._connection: Connection | None = None

    def check(self, source: GrammarSource) -> CheckedGrammar:
        """The checked grammar, its schemas relaxed as far as they have to be. Blocks for `TIME_LIMIT` seconds for each
        attempt, and longer if a child has to be started. Raises `GrammarRefusedError`."""
        relaxed = MAX_RELAXATION if '"strict": false' in source.text else 0
        for relaxation in range(relaxed):
            try:
                return self._attempt(source, relaxation)
            except GrammarRefusedError as error:
                if error.path:
                    raise
        return self._attempt(source, relaxed)

    def _attempt(self, source: GrammarSource, relaxation: int) -> CheckedGrammar:
        connection = self.start()
        try:
            connection.send((source, relaxation))
            if not connection.poll(TIME_LIMIT):
                self.stop()
                raise GrammarRefusedError(f"it takes longer than {TIME_LIMIT:.0f} seconds to compile")
            answer: GrammarRefusedError | CheckedGrammar = connection.recv()
        except (EOFError, OSError):
            self.stop()
            raise GrammarRefusedError("it takes too much memory to compile") from None
        if isinstance(answer, GrammarRefusedError):
            raise answer
        return answer

    def stop(self) -> None:
        """End the child, in any state."""
        if self._child is not None and self._connection is not None:
            self._connection.close()
            self._child.kill()
            self._child.wait()
        self._child = self._connection = None

    def start(self) -> Connection:
        """Start the child, if it does not run. Raises `GrammarRefusedError`."""
        if self._connection is not None:
            return self._connection
        self._child, connection = start_child("forefront.chat.grammar.grammar_worker")
        self._connection = connection
        connection.send(self._vocabulary)
        if not connection.poll(_START_LIMIT):
            self.stop()
            raise GrammarRefusedError("the server is too busy to compile it")
        connection.recv()
        return connection


def _serve(connection: Connection) -> None:
    os.nice(_NICE)
    bound_memory(_MEMORY_LIMIT)
    tune_allocator()
    index = TokenIndex(connection.recv())
    connection.send("ready")
    while True:
        try:
            source, relaxation = connection.recv()
        except EOFError:  # the server has ended
            return
        bound_processor_time(TIME_LIMIT)
        try:
            answer: GrammarRefusedError | CheckedGrammar = check_grammar(index, source, relaxation)
        except GrammarRefusedError as error:
            answer = error
        connection.send(answer)


def check_grammar(index: TokenIndex, source: GrammarSource, relaxation: int = 0) -> CheckedGrammar:
    """The work of the child. Raises `GrammarRefusedError`."""
    expanded = expand(source, relaxation)
    network = _network(index, expanded)
    unsatisfiable = _unsatisfiable(expanded, network)
    if unsatisfiable:
        expanded = expand(source, relaxation, unsatisfiable)
        network = _network(index, expanded)
    matcher = compile_here(index, expanded.llguidance)
    matcher.compute_bitmask()
    if matcher.is_error():
        raise GrammarRefusedError(matcher.get_error())
    return CheckedGrammar(expanded.llguidance, network, expanded.left_out)


def _network(index: TokenIndex, expanded: ExpandedGrammar) -> Network | None:
    """The grammar's network, None for one that is beyond it."""
    automaton = RegexAutomaton(available_bytes(index.vocabulary.pieces))
    try:
        return Network(read_lark(expanded.lark), automaton, index.longest)
    except (LarkSyntaxError, UnsupportedGrammarError):
        return None


def _unsatisfiable(expanded: ExpandedGrammar, network: Network | None) -> list[str]:
    """The paths of schemas that no value satisfies."""
    if network is None:
        return []
    return [path for path, rule in expanded.schemas.items() if network.rule_distance(rule) >= INFINITE]


if __name__ == "__main__":
    # Run as an imported module, so that pickled objects have the same class in the parent.
    from forefront.chat.grammar.grammar_worker import _serve as serve

    serve(Connection(int(sys.argv[1])))
