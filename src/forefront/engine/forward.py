"""One forward pass over the chunks of a step."""

from collections import abc
from typing import Protocol

from forefront.engine.model.logits import Logits
from forefront.engine.model.step_inputs import SequenceInput
from forefront.engine.sampling.logprobs import score_prompt
from forefront.engine.scheduling.scheduled_chunk import ScheduledChunk
from forefront.engine.scheduling.sequence import Sequence


class ModelRunner(Protocol):
    """The interface of a model to the engine: `PagedModel`, or a part of one in tests."""

    block_size: int
    block_count: int
    context_length: int
    vocabulary_size: int

    def run(
        self, sequences: abc.Sequence[SequenceInput], rows: abc.Sequence[int], temperatures: abc.Sequence[float]
    ) -> Logits: ...
    def copy_block(self, source: int, target: int) -> None: ...
    def restart(self) -> None: ...


def forward(model: ModelRunner, chunks: abc.Sequence[ScheduledChunk]) -> tuple[Logits, list[int]]:
    """The logits, and the first row of each chunk that is sampled, in order. That row follows the chunk's last known
    token; one more row follows each token of its draft. Prompt tokens are scored on the way."""
    inputs: list[SequenceInput] = []
    rows: list[int] = []
    temperatures: list[float] = []
    first_rows: list[int] = []
    scored: list[tuple[Sequence, range]] = []
    begin = 0
    for sequence, num_tokens, draft in chunks:
        start, request = sequence.num_computed_tokens, sequence.request
        tokens = sequence.tokens[start : start + num_tokens]
        if request.prompt_logprobs is not None and (positions := sequence.prompt_positions_to_score(num_tokens)):
            scored.append((sequence, range(len(rows), len(rows) + len(positions))))
            rows += [begin + position - start for position in positions]
            temperatures += [1.0] * len(positions)
        if start + num_tokens == len(sequence.tokens):
            last = begin + num_tokens - 1
            first_rows.append(len(rows))
            rows += range(last, last + 1 + len(draft))
            temperatures += [request.sampling.logits_temperature] * (1 + len(draft))
        tokens += draft
        inputs.append(SequenceInput(start, tokens, sequence.block_table.array))
        begin += len(tokens)
    # A step without samples still computes one row: kernels need not handle empty outputs.
    logits = model.run(inputs, rows or [0], temperatures or [1.0])
    for sequence, its_rows in scored:
        score_prompt(sequence, its_rows, logits)
    return logits, first_rows
