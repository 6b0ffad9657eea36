"""The sizes of batches: few, so that OpenVINO's kernels for them are few."""

from collections.abc import Sequence

import numpy as np
import pytest

from forefront.engine.embedding.batch_size import max_sequences, padded_count, padded_length
from forefront.engine.embedding.embedding_engine import EmbeddingEngine
from forefront.engine.embedding.embedding_graph import Floats
from forefront.engine.embedding.embedding_model import EmbeddingInput
from forefront.fairness.tenant import Tenant


class Sizes:
    """Records the sizes of the batches that it is given."""

    def __init__(self) -> None:
        self.seen: set[tuple[int, int]] = set()
        self.tokens = 0
        self.padded = 0

    def run(self, batch: Sequence[EmbeddingInput]) -> Floats:
        lengths = [len(entry.tokens) for entry in batch]
        size = padded_count(len(batch)), padded_length(max(lengths))
        self.seen.add(size)
        self.tokens += sum(lengths)
        self.padded += size[0] * size[1]
        return np.zeros((len(batch), 4), np.float32)

    def close(self) -> None:
        pass


def test_padded_sizes_are_few() -> None:
    sizes = {
        (padded_length(length), padded_count(count))
        for length in range(1, 513)
        for count in range(1, max_sequences(padded_length(length)) + 1)
    }
    assert len(sizes) < 180
    assert len({padded_length(length) for length in range(1, 8193)}) < 60


@pytest.mark.parametrize("length", [1, 16, 17, 127, 128, 129, 200, 511, 512, 513, 5000])
def test_padding_is_bounded(length: int) -> None:
    assert length <= padded_length(length) < length + max(16, length / 8)
    assert max_sequences(length) * length <= 2048 or max_sequences(length) == 1


async def test_the_batches_of_any_request_have_little_padding_and_few_sizes() -> None:
    model, rng = Sizes(), np.random.default_rng(1)
    engine = EmbeddingEngine(model)
    engine.start()
    for number in range(300):
        inputs = [EmbeddingInput([5] * int(length)) for length in rng.integers(1, 200, rng.integers(1, 70))]
        await engine.vectors(inputs, Tenant(f"p{number % 3}"))
    await engine.stop()
    assert len(model.seen) < 120
    assert model.padded < 1.4 * model.tokens
