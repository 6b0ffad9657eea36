"""Grammars of one model: compiled off the event loop, kept for the next request, refused in plain words."""

import asyncio
from collections import OrderedDict
from concurrent.futures import ThreadPoolExecutor

from llguidance import LLMatcher, LLParserLimits

from forefront.chat.constraint import GrammarConstraint
from forefront.chat.grammar_source import GrammarRefusedError, GrammarSource
from forefront.chat.vocabulary import Vocabulary
from forefront.engine.constraint import Constraint
from forefront.wire.errors import ApiError

_ENTRIES = 256
_TEXT_LIMIT = 256 * 1024
_REASON_LIMIT = 300


class CompiledGrammar:
    """A grammar in its first state. `start` begins one continuation; it is what `GenerateRequest.constraint` takes."""

    def __init__(self, matcher: LLMatcher, vocabulary: Vocabulary) -> None:
        self._matcher = matcher
        self._vocabulary = vocabulary

    def start(self) -> Constraint:
        """A constraint for one continuation."""
        return GrammarConstraint(self._matcher.deep_copy(), self._vocabulary)

    def require(self, max_tokens: int) -> None:
        """Raise `ApiError` if no answer of so few tokens satisfies the grammar."""


class Grammars:
    """Compiles grammars for one model; its tokens are indexed on first use."""

    def __init__(self, vocabulary: Vocabulary) -> None:
        self._vocabulary = vocabulary
        self._tokenizer = vocabulary.tokenizer()
        self._cache: OrderedDict[bytes, asyncio.Future[CompiledGrammar]] = OrderedDict()
        self._pool = ThreadPoolExecutor(2, "forefront-grammars")

    async def compile(self, source: GrammarSource, param: str) -> CompiledGrammar:
        """The compiled grammar. Raises `ApiError` (422, `param`) with the reason if it cannot be used."""
        if len(source.text) > _TEXT_LIMIT:
            raise ApiError("invalid_value", f"`{param}` is longer than {_TEXT_LIMIT} characters.", param=param)
        future = self._cache.get(source.key)
        if future is None:
            future = asyncio.get_running_loop().run_in_executor(self._pool, self._compile, source)
            self._cache[source.key] = future
            if len(self._cache) > _ENTRIES:
                self._cache.popitem(last=False)
        self._cache.move_to_end(source.key)
        try:
            return await asyncio.shield(future)
        except GrammarRefusedError as error:
            raise ApiError("invalid_value", f"`{param}` cannot be used: {error}"[:_REASON_LIMIT], param=param) from None

    def _compile(self, source: GrammarSource) -> CompiledGrammar:
        limits = LLParserLimits(verbose_errors=False)
        matcher = LLMatcher(self._tokenizer, source.compile(), log_level=0, limits=limits)
        if matcher.is_error():
            raise GrammarRefusedError(matcher.get_error())
        return CompiledGrammar(matcher, self._vocabulary)
