"""Drafts with a known share of right tokens."""

import random
from collections import abc
from collections.abc import Mapping

from forefront.engine.scheduling.drafter import Draft, DraftRequest
from forefront.engine.scheduling.sequence import Sequence


class SimpleDrafter:
    """A `Drafter` that looks at one sequence at a time and learns nothing."""

    def draft(self, sequence: Sequence, max_tokens: int) -> list[int]:
        raise NotImplementedError

    def propose(self, requests: abc.Sequence[DraftRequest], price: float) -> list[Draft]:
        assert price > 0
        return [Draft(self.draft(sequence, max_tokens), 1.0, 1.0) for sequence, max_tokens in requests]

    def verified(self, sequence: Sequence, length: int, accepted: int, price: float) -> None:
        assert 0 <= accepted <= length
        assert price > 0

    def forget(self, sequence: Sequence) -> None:
        pass


class ScriptedDrafter(SimpleDrafter):
    """Proposes the known `outputs` of prompts, each token replaced by a random one with probability 1 - `acceptance`.
    Drafts have up to `longest` tokens. `proposed` counts their tokens."""

    def __init__(self, outputs: Mapping[tuple[int, ...], list[int]], acceptance: float, longest: int = 8) -> None:
        self._outputs = outputs
        self._acceptance, self._longest = acceptance, longest
        self._chance = random.Random(acceptance)
        self.proposed = 0

    def draft(self, sequence: Sequence, max_tokens: int) -> list[int]:
        place = sequence.num_output_tokens
        length = min(self._chance.randint(0, self._longest), max_tokens)
        output = self._outputs[tuple(sequence.request.prompt)][place : place + length]
        self.proposed += len(output)
        return [
            token if self._chance.random() < self._acceptance else self._chance.randrange(3, 500) for token in output
        ]
