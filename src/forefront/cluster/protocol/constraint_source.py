"""A constraint as plain data. Each process compiles its own: compiled grammars cannot be sent."""

import msgspec

from forefront.chat.grammar.compiler import CompiledGrammar
from forefront.chat.grammar.grammar_source import GrammarSource, Kind
from forefront.chat.output.min_tokens import MinimumLengthFactory
from forefront.engine.constraint import ConstraintFactory


class ConstraintSource(msgspec.Struct, array_like=True, frozen=True):
    """The fields of a `GrammarSource`, if there is a grammar, and the fewest tokens of an output."""

    kind: Kind | None = None
    text: str = ""
    triggers: tuple[str, ...] = ()
    ends: bool = False
    whole: bool = False
    min_tokens: int = 0

    @property
    def grammar(self) -> GrammarSource | None:
        """The grammar's source."""
        if self.kind is None:
            return None
        return GrammarSource(self.kind, self.text, self.triggers, self.ends, self.whole)


def constraint_source(factory: ConstraintFactory | None) -> ConstraintSource | None:
    """The source of the constraints that `factory` creates. Raises `TypeError` for one without a source."""
    minimum = 0
    if isinstance(factory, MinimumLengthFactory):
        minimum, factory = factory.minimum, factory.inner
    match factory:
        case None:
            return ConstraintSource(min_tokens=minimum) if minimum else None
        case CompiledGrammar(source=source):
            return ConstraintSource(source.kind, source.text, source.triggers, source.ends, source.whole, minimum)
    raise TypeError(f"{type(factory).__name__} has no source that could be sent")
