"""The masks of a step's constraints, computed beside its forward pass: they depend on earlier tokens alone."""

from collections.abc import Callable
from collections.abc import Sequence as Rows
from concurrent.futures import ThreadPoolExecutor

from forefront.engine.sampling.constraint import Mask
from forefront.engine.scheduling.sequence import Sequence

Masks = dict[Sequence, Mask | None]


class MaskWorker:
    """One thread, which works while the engine's own waits for the model."""

    def __init__(self) -> None:
        self._pool = ThreadPoolExecutor(1, "forefront-masks")

    def start(self, sequences: Rows[Sequence]) -> Callable[[], Masks]:
        """Begin with the masks of those of `sequences` and their followers that are constrained; what is returned
        waits for them."""
        constrained = [
            member
            for sequence in sequences
            for member in (sequence, *sequence.followers)
            if member.constraint is not None
        ]
        if not constrained:
            return dict
        return self._pool.submit(lambda: {sequence: sequence.mask() for sequence in constrained}).result

    def stop(self) -> None:
        """End the thread."""
        self._pool.shutdown()
