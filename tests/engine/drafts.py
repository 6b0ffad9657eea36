"""Drafts with a known share of right tokens."""

import random
from collections import abc
from collections.abc import Mapping

from forefront.engine.scheduling.drafter import DraftRequest
from forefront.engine.scheduling.sequence import Sequence


class SimpleDrafter:
    """A `Drafter` that looks at one sequence at a time and learns nothing."""

    def draft(self, sequence: Sequence, max_tokens: int) -> list[int]:
        raise NotImplementedError

    def propose(self, requests: abc.Sequence[DraftRequest], price: float) -> list[abc.Sequence[int]]:
        assert price > 0
        return [self.draft(sequence, max_tokens) for sequence, max_tokens in requests]

    def verified(self, sequence: Sequence, length: int, accepted: int) -> None:
        assert 0 <= accepted <= length

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
