"""The present part of a run, and an estimate of the time that is left."""

import sys
import time
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Final

# Seconds of a part on two quiet cores, for a model of 0.4 B parameters and the full plan.
_SECONDS: Final = {
    "limits": 50.0,
    "closed-1": 25.0,
    "closed-8": 70.0,
    "closed-32": 110.0,
    "long-prompts": 70.0,
    "conversations": 150.0,
    "open-loop": 130.0,
    "quoting": 60.0,
    "http-path": 60.0,
}
_OTHER: Final = 60.0
_MODELS: Final = {"smollm2": 0.4, "0.1b-Q8_0": 0.2, "tiny-Q8_0": 0.03}


@dataclass
class Progress:
    """The parts of a run, as pairs of model and part. The estimate follows the time of the parts before."""

    parts: Sequence[tuple[str, str]]
    _done: dict[tuple[str, str], float] = field(default_factory=dict)
    _begun: float = 0.0

    def begin(self, model: str, part: str) -> None:
        """Announce a part."""
        number = self.parts.index((model, part)) + 1
        text = f"[{number}/{len(self.parts)}] {model} {part}, {self.remaining() / 60:.0f} minutes left"
        print(text, file=sys.stderr, flush=True)
        self._begun = time.perf_counter()

    def end(self, model: str, part: str) -> float:
        """The seconds that the part took."""
        took = time.perf_counter() - self._begun
        self._done[model, part] = took
        return took

    def skip(self, model: str, part: str) -> None:
        """A part that an earlier run has done."""
        self._done[model, part] = 0.0

    def remaining(self) -> float:
        """Seconds."""
        timed = {part: took for part, took in self._done.items() if took}
        pace = sum(timed.values()) / sum(map(_estimate, timed)) if timed else 1.0
        return pace * sum(_estimate(part) for part in self.parts if part not in self._done)


def _estimate(part: tuple[str, str]) -> float:
    model, name = part
    return _SECONDS.get(name, _OTHER) * _MODELS.get(model, 1.0)
