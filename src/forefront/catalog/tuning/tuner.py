"""Finds the fastest options of computation for a model on this machine by measuring them."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from typing import Final

from forefront.catalog.tuning.tuning_store import Tuning
from forefront.engine.model.speed import Speed

# The minimum gain of a change: smaller differences are noise of other work on the machine.
_GAIN: Final = 1.03

# Loads the model with a tuning and measures it, in seconds.
Measure = Callable[[Tuning], Speed]


@dataclass
class Tuner:
    """Changes one option at a time and keeps the faster value. `approximate`: also options that change results.

    `speeds` has the best speed of each measured tuning.
    """

    measure: Measure
    cores: int
    approximate: bool = False
    speeds: dict[Tuning, Speed] = field(default_factory=dict)

    @property
    def visits(self) -> int:
        """The maximum number of times that a model is loaded and measured."""
        return sum(2 * (1 + len(variants(Tuning()))) for variants in self._axes())

    def find(self) -> Tuning:
        """The fastest tuning."""
        best = Tuning()
        for variants in self._axes():
            best = self._fastest([best, *variants(best)])
        return best

    def _axes(self) -> list[Callable[[Tuning], list[Tuning]]]:
        axes: list[Callable[[Tuning], list[Tuning]]] = [
            lambda tuning: [replace(tuning, pinned=not tuning.pinned)],
            lambda tuning: [replace(tuning, threads=threads) for threads in thread_counts(self.cores)],
        ]
        if self.approximate:
            axes += [
                lambda tuning: [replace(tuning, kv_precision="u8")],
                lambda tuning: [replace(tuning, precision="bf16")],
            ]
        return axes

    def _fastest(self, tunings: Sequence[Tuning]) -> Tuning:
        """The first, unless another is faster by more than noise. Each is measured twice, the second time in opposite
        order, so that a slow change of the machine's load affects all alike."""
        found: dict[Tuning, Speed] = {}
        for tuning in (*tunings, *reversed(tunings)):
            found[tuning] = self.measure(tuning).best(found.get(tuning, Speed()))
        for tuning, speed in found.items():
            self.speeds[tuning] = speed.best(self.speeds.get(tuning, Speed()))
        base = found[tunings[0]]
        best = max(tunings, key=lambda tuning: found[tuning].ratio(base))
        return best if found[best].ratio(base) >= _GAIN else tunings[0]


def thread_counts(cores: int) -> list[int]:
    """Numbers of threads to try beside all cores: three quarters and half of them."""
    return sorted({max(1, cores * 3 // 4), max(1, cores // 2)} - {cores}, reverse=True)
