"""The masks of a step's constraints, computed while the model runs: they depend on earlier tokens alone."""

from collections import abc
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor

from forefront.engine.constraint import Mask
from forefront.engine.scheduling.scheduled_chunk import ScheduledChunk
from forefront.engine.scheduling.sequence import Sequence

# See `Sequence.masks`.
Masks = dict[Sequence, list[Mask | None]]


class MaskWorker:
    """A thread that works while the engine's own waits for the model."""

    def __init__(self) -> None:
        self._pool = ThreadPoolExecutor(1, "forefront-masks")

    def start(self, chunks: abc.Sequence[ScheduledChunk]) -> Callable[[], Masks]:
        """Begin the masks of the constrained sequences among `chunks` and their followers. The returned function waits
        for the result."""
        constrained = [
            (member, chunk.draft)
            for chunk in chunks
            for member in (chunk.sequence, *chunk.sequence.followers)
            if member.constraint is not None
        ]
        if not constrained:
            return dict
        return self._pool.submit(lambda: {sequence: sequence.masks(draft) for sequence, draft in constrained}).result

    def stop(self) -> None:
        """End the thread."""
        self._pool.shutdown()
