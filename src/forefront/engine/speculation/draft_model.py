"""Drafts by a smaller model with the same tokens, which has its own KV cache.

The draft of a sampled sequence is drawn with the random numbers that its own next tokens will be drawn with: where both
models have similar distributions, they draw the same tokens. Verification is that of any draft.
"""

import logging
import time
from collections import abc
from itertools import accumulate
from typing import Final, Protocol

from forefront.engine.kv_blocks.block_pool import BlockPool
from forefront.engine.kv_blocks.block_table import BlockTable
from forefront.engine.model.logits import Logits
from forefront.engine.model.step_inputs import SequenceInput
from forefront.engine.sampling.full_logits import choose_from_row
from forefront.engine.sampling.top_tokens import Draw, draw_from_top
from forefront.engine.scheduling.drafter import NO_DRAFT, Draft, DraftRequest
from forefront.engine.scheduling.sequence import Sequence
from forefront.engine.speculation.draft_length import DraftLength

log = logging.getLogger(__name__)

# Tokens that the draft model reads in a step, of all sequences, before it drafts for them. A sequence with more unread
# tokens gets no draft yet.
_READ: Final = 128
# Further unread tokens that the first pass of a draft may read.
_FEW: Final = 16
# Before any draft of a sequence has been verified.
_ACCEPTANCE: Final = 0.7
# Weight of the latest pass in the averages of time.
_LATEST: Final = 0.1
# A pass of the draft model in steps of the large one, until both have been measured.
_USUAL_RATIO: Final = 0.2


class DraftRunner(Protocol):
    """The interface of the draft model: `PagedModel`, or a part of one in tests."""

    block_size: int
    block_count: int
    context_length: int
    vocabulary_size: int

    def run(
        self, sequences: abc.Sequence[SequenceInput], rows: abc.Sequence[int], temperatures: abc.Sequence[float]
    ) -> Logits: ...
    def restart(self) -> None: ...


class _Reading:
    """What the draft model has read of one sequence: its first `num_computed` tokens, and from `start` on its draft."""

    __slots__ = ("block_table", "draft", "length", "num_computed", "num_registered", "start")

    def __init__(self) -> None:
        self.block_table = BlockTable()
        self.length = DraftLength()
        self.draft: list[int] = []
        self.start = self.num_computed = self.num_registered = 0

    def follow(self, sequence: Sequence) -> None:
        """Discard what the sequence's tokens have not confirmed."""
        known = len(sequence.tokens)
        if not self.draft or known <= self.start:
            return
        tokens = sequence.tokens[self.start : self.start + len(self.draft)]
        confirmed = next(
            (n for n, pair in enumerate(zip(tokens, self.draft, strict=False)) if pair[0] != pair[1]), None
        )
        confirmed = min(len(tokens), len(self.draft)) if confirmed is None else confirmed
        self.num_computed = min(self.num_computed, self.start + confirmed)
        self.length.add_output(known - self.start)
        self.draft = []


class DraftModelDrafter:
    """The `Drafter` of a smaller model. It runs in the engine's thread, before each step."""

    def __init__(self, model: DraftRunner) -> None:
        self._model = model
        self._pool = BlockPool(model.block_count, model.block_size)
        self._readings: dict[Sequence, _Reading] = {}
        self._pass_seconds = self._step_seconds = 0.0
        self._proposed_at: float | None = None

    def propose(self, requests: abc.Sequence[DraftRequest], price: float) -> list[Draft]:
        """See `Drafter.propose`. A failure of the draft model ends its drafts of this step, not the step."""
        try:
            drafts = self._propose(requests, price)
        except Exception:
            log.exception("the draft model failed; it begins again")
            for sequence in list(self._readings):
                self.forget(sequence)
            self._pool = BlockPool(self._model.block_count, self._model.block_size)
            self._restart()
            drafts = [NO_DRAFT for _ in requests]
        self._proposed_at = time.perf_counter()
        return drafts

    def verified(self, sequence: Sequence, length: int, accepted: int, price: float) -> None:
        """See `Drafter.verified`."""
        if self._proposed_at is not None:
            self._step_seconds = _average(self._step_seconds, time.perf_counter() - self._proposed_at)
            self._proposed_at = None
        if sequence in self._readings:
            self._readings[sequence].length.verified(length, accepted, price)

    def forget(self, sequence: Sequence) -> None:
        """See `Drafter.forget`."""
        reading = self._readings.pop(sequence, None)
        if reading is not None:
            self._pool.release(reading.block_table.clear())

    def _restart(self) -> None:
        """A model that cannot be restarted fails again at the next draft, which restarts it again."""
        try:
            self._model.restart()
        except Exception:
            log.exception("the draft model could not be restarted")

    def _propose(self, requests: abc.Sequence[DraftRequest], price: float) -> list[Draft]:
        drafts: list[list[int]] = [[] for _ in requests]
        ratio = self._pass_seconds / self._step_seconds if self._step_seconds else _USUAL_RATIO
        choices = [
            self._reading_of(sequence).length.choose(_ACCEPTANCE, price + ratio, maximum)
            for sequence, maximum in requests
        ]
        counts: dict[int, int] = {}
        for place, (choice, request) in enumerate(zip(choices, requests, strict=True)):
            if choice.length and len(request.sequence.tokens) + choice.length <= self._model.context_length:
                counts[place] = choice.length
        ready = self._read([requests[place].sequence for place in counts], ratio * price)
        counts = {
            place: count
            for place, count in counts.items()
            if (sequence := requests[place].sequence) in ready and self._grow(sequence, len(sequence.tokens) + count)
        }
        for done in range(max(counts.values(), default=0)):
            places = [place for place, count in counts.items() if count > done]
            tokens = self._next_tokens([requests[place].sequence for place in places], [drafts[p] for p in places])
            for place, token in zip(places, tokens, strict=True):
                drafts[place].append(token)
        for place in counts:
            sequence = requests[place].sequence
            reading = self._readings[sequence]
            reading.start, reading.draft = len(sequence.tokens), drafts[place]
            # The passes are paid for, whether the draft is verified or not.
            reading.length.spend(ratio * counts[place])
        return [choice.draft(tokens) for choice, tokens in zip(choices, drafts, strict=True)]

    def _read(self, sequences: abc.Sequence[Sequence], price: float) -> set[Sequence]:
        """Read the sequences with many unread tokens, at most `_READ` tokens together. Returns those with few unread
        tokens, which their next pass reads. `price`: of one token."""
        left, inputs, ready = _READ, list[SequenceInput](), set[Sequence]()
        for sequence in sequences:
            reading = self._readings[sequence]
            missing = len(sequence.tokens) - reading.num_computed
            if missing > _FEW:
                count = min(missing - 1, left)
                if not count or not self._grow(sequence, reading.num_computed + count):
                    continue
                inputs.append(self._input(sequence, reading, reading.num_computed + count))
                left -= count
                missing -= count
                if len(sequence.tokens) - missing > sequence.num_prompt_tokens:
                    reading.length.spend(price * count)
            if missing <= _FEW:
                ready.add(sequence)
        if inputs:
            self._model.run(inputs, [0], [1.0])
        return ready

    def _next_tokens(self, sequences: abc.Sequence[Sequence], drafts: abc.Sequence[list[int]]) -> list[int]:
        """The next draft token of each sequence: one pass."""
        begin = time.perf_counter()
        inputs = [
            self._input(sequence, self._readings[sequence], len(sequence.tokens) + len(draft), draft)
            for sequence, draft in zip(sequences, drafts, strict=True)
        ]
        rows = [end - 1 for end in accumulate(len(entry.tokens) for entry in inputs)]
        temperatures = [sequence.request.sampling.logits_temperature for sequence in sequences]
        logits = self._model.run(inputs, rows, temperatures)
        tokens: list[int] = logits.top_tokens[:, 0].tolist()
        sampled = [row for row, sequence in enumerate(sequences) if sequence.request.sampling.temperature]
        draws = [
            Draw(row, sequences[row].request.sampling, _upcoming(sequences[row], len(drafts[row])), None)
            for row in sampled
        ]
        for draw, token in zip(draws, draw_from_top(draws, logits), strict=True):
            row, sampling, uniform, _ = draw
            if token < 0:  # not decided by the top tokens
                token = choose_from_row(logits.full[row], logits.top_tokens[row], sampling, uniform)
            tokens[row] = token
        self._pass_seconds = _average(self._pass_seconds, time.perf_counter() - begin)
        return tokens

    def _input(self, sequence: Sequence, reading: _Reading, end: int, draft: abc.Sequence[int] = ()) -> SequenceInput:
        """The unread tokens of the sequence and its draft up to `end`, which are read then. Models of one family may
        have unused tokens of different number: an unknown token is replaced."""
        start, known = reading.num_computed, len(sequence.tokens)
        tokens = [*sequence.tokens[start:end], *draft[max(start - known, 0) :]]
        reading.num_computed = end
        size = self._model.vocabulary_size
        tokens = [token if token < size else 0 for token in tokens]
        return SequenceInput(start, tokens, reading.block_table.array)

    def _reading_of(self, sequence: Sequence) -> _Reading:
        reading = self._readings.get(sequence)
        if reading is None:
            reading = self._readings[sequence] = _Reading()
            size = self._pool.block_size
            blocks = self._pool.match_prefix(sequence.block_hashes[: (len(sequence.tokens) - 1) // size])
            self._pool.share(blocks)
            reading.block_table.extend(blocks)
            reading.num_computed = reading.num_registered = len(blocks) * size
        reading.follow(sequence)
        self._register(sequence, reading)
        return reading

    def _register(self, sequence: Sequence, reading: _Reading) -> None:
        """Register full blocks of confirmed tokens, so that other sequences with the same beginning find them."""
        size = self._pool.block_size
        end = min(reading.num_computed // size, len(sequence.block_hashes))
        for index in range(reading.num_registered // size, end):
            self._pool.register(int(reading.block_table.array[index]), sequence.block_hashes[index])
            reading.num_registered = (index + 1) * size

    def _grow(self, sequence: Sequence, count: int) -> bool:
        """Ensure blocks for `count` tokens. If too few are free, sequences that do not decode lose theirs."""
        table = self._readings[sequence].block_table
        needed = -(-count // self._pool.block_size) - len(table)
        if needed <= 0:
            return True
        if needed > self._pool.available:
            for other in [other for other in self._readings if not len(other.block_table)]:
                self.forget(other)
        blocks = self._pool.allocate(needed)
        table.extend(blocks or ())
        return blocks is not None


def _average(average: float, latest: float) -> float:
    return average + _LATEST * (latest - average) if average else latest


def _upcoming(sequence: Sequence, place: int) -> float:
    """The random number for the sequence's token `place` positions after the next."""
    uniforms = sequence.take_uniforms(place + 1)
    sequence.give_back_uniforms(uniforms)
    return uniforms[place]
