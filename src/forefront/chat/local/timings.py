"""The times of one request: waiting, reading the prompt, writing the answer."""

import time
from collections.abc import Callable

from forefront.chat.events import Work
from forefront.engine.request import GenerateRequest
from forefront.wire.response import EffectiveSampling


class Stopwatch:
    """Started when it is made; `turn` when the work may begin, `first` with the first token."""

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._asked = self._turn = self._first = clock()

    def turn(self) -> None:
        """The wait is over."""
        self._turn = self._first = self._clock()

    def first(self) -> None:
        """The first token is there."""
        self._first = self._clock()

    def work(self, request: GenerateRequest) -> Work:
        """What has been done for `request` up to now."""
        sampling = request.sampling
        effective = EffectiveSampling(
            temperature=sampling.temperature,
            top_p=sampling.top_p,
            top_k=sampling.top_k,
            min_p=sampling.min_p,
            presence_penalty=sampling.presence_penalty,
            frequency_penalty=sampling.frequency_penalty,
            repetition_penalty=sampling.repetition_penalty,
            max_tokens=request.max_tokens,
            seed=sampling.seed,
        )
        return Work(effective, self._turn - self._asked, self._first - self._turn, self._clock() - self._first)
