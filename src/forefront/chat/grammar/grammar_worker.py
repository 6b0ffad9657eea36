"""Grammars are tried out in a child process first: compiling some of them takes hours, or all memory there is, and
cannot be stopped from within. What the child has compiled in time is safe to compile here.

    python -m forefront.chat.grammar.grammar_worker FD     the child; FD is its end of the connection
"""

import os
import subprocess
import sys
from multiprocessing.connection import Connection

from llguidance import LLMatcher, LLParserLimits

from forefront.chat.grammar.completion_search import Completer
from forefront.chat.grammar.source import GrammarRefusedError, GrammarSource
from forefront.chat.grammar.vocabulary import TokenIndex, Vocabulary
from forefront.chat.subprocess_worker import bound_memory, bound_processor_time, start_child
from forefront.engine.allocator import tune_allocator

TIME_LIMIT = 3.0
_START_LIMIT = 30.0
_MEMORY_LIMIT = 4 * 2**30
_SEARCH_LIMIT = 0.25
# A grammar that takes seconds leaves the processor to the event loop and the engine.
_NICE = 5
# States of a lexer take up to 2 KiB each, and stay as long as the grammar is kept.
_LIMITS = {"verbose_errors": False, "max_lexer_states": 20_000, "initial_lexer_fuel": 1_000_000}


def compile_here(index: TokenIndex, source: GrammarSource) -> LLMatcher:
    """The grammar in its first state. Raises `GrammarRefusedError`."""
    matcher = LLMatcher(index.masks, source.compile(), log_level=0, limits=LLParserLimits(**_LIMITS))
    if matcher.is_error():
        raise GrammarRefusedError(matcher.get_error())
    return matcher


class Prover:
    """A child process that tries grammars, one at a time; made anew when one was too much for it."""

    def __init__(self, vocabulary: Vocabulary) -> None:
        self._vocabulary = vocabulary
        self._child: subprocess.Popen[bytes] | None = None
        self._connection: Connection | None = None

    def prove(self, source: GrammarSource) -> list[int] | None:
        """A completion of the grammar, None if none was found. Blocks for `TIME_LIMIT` seconds at most, and some more
        if a child has to be started. Raises `GrammarRefusedError`."""
        connection = self._connection or self._start()
        try:
            connection.send(source)
            if not connection.poll(TIME_LIMIT):
                self.stop()
                raise GrammarRefusedError(f"it takes longer than {TIME_LIMIT:.0f} seconds to compile")
            answer: str | list[int] | None = connection.recv()
        except (EOFError, OSError):
            self.stop()
            raise GrammarRefusedError("it takes too much memory to compile") from None
        if isinstance(answer, str):
            raise GrammarRefusedError(answer)
        return answer

    def stop(self) -> None:
        """End the child, whatever it does."""
        if self._child is not None and self._connection is not None:
            self._connection.close()
            self._child.kill()
            self._child.wait()
        self._child = self._connection = None

    def _start(self) -> Connection:
        self._child, ours = start_child("forefront.chat.grammar.grammar_worker")
        self._connection = ours
        ours.send(self._vocabulary)
        if not ours.poll(_START_LIMIT):
            self.stop()
            raise GrammarRefusedError("the server is too busy to compile it")
        ours.recv()
        return ours


def _serve(connection: Connection) -> None:
    os.nice(_NICE)
    bound_memory(_MEMORY_LIMIT)
    tune_allocator()
    index = TokenIndex(connection.recv())
    completer = Completer(index)
    connection.send("ready")
    while True:
        try:
            source = connection.recv()
        except EOFError:  # the server is gone
            return
        bound_processor_time(TIME_LIMIT)
        connection.send(_try(index, completer, source))


def _try(index: TokenIndex, completer: Completer, source: GrammarSource) -> str | list[int] | None:
    try:
        matcher = compile_here(index, source)
        matcher.compute_bitmask()
        if matcher.is_error():
            raise GrammarRefusedError(matcher.get_error())
        plan = completer.hinted(source.hints).find(matcher, 1, _SEARCH_LIMIT)
    except GrammarRefusedError as error:
        return str(error)
    if plan is None and source.kind in ("json_object", "json_schema"):
        return "no value satisfies it, or none that could be found"
    return plan


if __name__ == "__main__":
    _serve(Connection(int(sys.argv[1])))
