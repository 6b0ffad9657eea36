"""An engine and the grammars of its model, for tests of what constrained answers look like."""

import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass

from forefront.chat.grammar.compiler import CompiledGrammar, Grammars
from forefront.chat.grammar.grammar_source import GrammarSource, Kind, json_schema_source
from forefront.chat.grammar.vocabulary import Vocabulary
from forefront.chat.local.loading import ModelParts
from forefront.engine.engine import Engine
from forefront.engine.model.model import ModelOptions, PagedModel
from forefront.engine.request import GenerateRequest, SamplingParams
from forefront.tokenizer.tokenizer import Tokenizer


@dataclass
class Bound:
    """The request of a test."""

    engine: Engine
    grammars: Grammars
    vocabulary: Vocabulary
    tokenizer: Tokenizer

    async def compile(self, text: str, kind: Kind = "json_schema", triggers: tuple[str, ...] = ()) -> CompiledGrammar:
        source = GrammarSource(kind, text, triggers)
        if kind == "json_schema":
            source = json_schema_source(json.loads(text), "grammar", strict=True)
        return await self.grammars.compile(source, "grammar")

    async def answer(
        self,
        grammar: CompiledGrammar,
        max_tokens: int,
        seed: int,
        prompt: str = "Hello",
        sampling: SamplingParams | None = None,
    ) -> tuple[str, str, list[int]]:
        """Text, finish reason and tokens of one answer, sampled at temperature 1."""
        request = GenerateRequest(
            self.tokenizer.encode(prompt),
            max_tokens,
            sampling or SamplingParams(seed=seed),
            stop_tokens=self.vocabulary.end_tokens,
            constraint=grammar.start,
        )
        tokens = [token async for batch in self.engine.submit(request) for token in batch]
        ids = [token.token for token in tokens]
        assert len(ids) <= max_tokens
        assert [token.finish is not None for token in tokens] == [False] * (len(ids) - 1) + [True]
        finish = tokens[-1].finish
        assert finish is not None
        data = b"".join(self.vocabulary.pieces[token] for token in ids)
        return data.decode(errors="replace"), finish, ids


@asynccontextmanager
async def bound(parts: ModelParts) -> AsyncIterator[Bound]:
    """A running engine on that model."""
    facts, tokenizer = parts.facts, parts.tokenizer
    vocabulary = Vocabulary(tokenizer.pieces, tokenizer.control, facts.end_tokens | tokenizer.end_tokens)
    model = PagedModel(parts.graph, facts.context_length, ModelOptions(contexts=8))
    engine, grammars = Engine(model), Grammars(vocabulary)
    engine.start()
    try:
        yield Bound(engine, grammars, vocabulary, tokenizer)
    finally:
        await engine.stop()
        grammars.close()
