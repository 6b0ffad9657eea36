"""Samples of a grammar, without a model."""

import random

from llguidance import LLMatcher

from forefront.chat.grammar.automaton.completion import Completer
from forefront.chat.grammar.automaton.network import INFINITE
from forefront.chat.grammar.grammar_worker import CheckedGrammar, compile_here
from forefront.chat.grammar.vocabulary import TokenIndex, Vocabulary

END = 256
PIECES = [bytes([byte]) for byte in range(256)] + [b""]
INDEX = TokenIndex(Vocabulary(PIECES, {"<end>": END}, frozenset({END})))
_CLOSING = frozenset(b'"}],:')


class Sampler:
    """Draws texts of one grammar byte by byte, and follows each one through the grammar's network.

    Every text is completed along the shortest way, which must get shorter with every token.
    """

    def __init__(self, checked: CheckedGrammar) -> None:
        assert checked.network is not None
        self._completer = Completer(checked.network, PIECES)
        self._matcher: LLMatcher = compile_here(INDEX, checked.llguidance)

    def text(self, dice: random.Random, steps: int) -> str:
        """A text that is completed after so many bytes, if it has not ended before."""
        matcher, position, tokens = self._matcher.deep_copy(), self._completer.start(), list[int]()
        while len(tokens) < steps and not matcher.is_stopped():
            allowed = [token for token, bias in enumerate(matcher.compute_logit_bias()) if bias]
            closing = [token for token in allowed if token in _CLOSING]
            token = dice.choice(closing if closing and dice.random() < 0.4 else allowed)
            if token == END:
                break
            assert matcher.consume_token(token)
            following = self._completer.advance(position, token)
            assert following is not None
            assert self._completer.distance(following) < INFINITE
            position = following
            tokens.append(token)
        while (step := self._completer.next_token(position)) is not None:
            assert matcher.consume_token(step), (bytes(tokens), step)
            following = self._completer.advance(position, step)
            assert following is not None
            assert self._completer.distance(following) < self._completer.distance(position)
            position = following
            tokens.append(step)
        assert matcher.is_accepting()
        return bytes(tokens).decode()
