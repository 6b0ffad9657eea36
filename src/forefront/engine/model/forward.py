"""One forward pass over the chunks of a step, with the scores of prompts that are due."""

from typing import Protocol

from forefront.engine.model.model import Run
from forefront.engine.sampling.logprobs import score_prompt
from forefront.engine.sampling.sampler import Logits, sampling_temperature
from forefront.engine.scheduling.scheduler import Chunk
from forefront.engine.scheduling.sequence import Sequence


class Model(Protocol):
    """What the engine needs of a model; `PagedModel` is the one there is."""

    block_size: int
    block_count: int
    context_length: int
    vocabulary_size: int

    def run(self, runs: list[Run], rows: list[int], temperatures: list[float]) -> Logits: ...
    def copy_block(self, source: int, target: int) -> None: ...
    def restart(self) -> None: ...


def forward(model: Model, chunks: list[Chunk]) -> tuple[Logits, list[int]]:
    """One forward pass; and for each chunk that samples, in order, its row of the logits."""
    runs: list[Run] = []
    rows: list[int] = []
    temperatures: list[float] = []
    due: list[int] = []
    scored: list[tuple[Sequence, range]] = []
    begin = 0
    for chunk in chunks:
        sequence, start = chunk.sequence, chunk.sequence.computed
        runs.append(Run(start, sequence.tokens[start : start + chunk.length], sequence.blocks))
        if positions := sequence.to_score(chunk.length):
            scored.append((sequence, range(len(rows), len(rows) + len(positions))))
            rows += [begin + position - start for position in positions]
            temperatures += [1.0] * len(positions)
        begin += chunk.length
        if chunk.samples:
            due.append(len(rows))
            rows.append(begin - 1)
            temperatures.append(sampling_temperature(sequence.request.sampling))
    # A step that samples nothing still asks for a row: no kernel has to cope with empty outputs.
    logits = model.run(runs, rows or [0], temperatures or [1.0])
    for sequence, its_rows in scored:
        score_prompt(sequence, its_rows, logits)
    return logits, due
