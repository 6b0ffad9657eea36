"""For how long other servers have said nothing."""

import time
from collections.abc import Callable, Mapping


class Silence:
    """Measured on this server's own clock, from when a word of theirs was news to it: the clocks of machines need not
    agree, any of them can be set, and one that slept has missed what others said. `clock` counts seconds."""

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._heard: dict[str, tuple[float, float]] = {}  # each one's last word, and when it was news

    def listen(self, words: Mapping[str, float]) -> dict[str, float]:
        """Seconds since each of them said something else than it does now; 0 for one that is new here."""
        now = self._clock()
        before, self._heard = self._heard, {}
        for name, word in words.items():
            known = before.get(name)
            self._heard[name] = known if known is not None and known[0] == word else (word, now)
        return {name: now - since for name, (_, since) in self._heard.items()}

    def forget(self) -> None:
        """Begin anew, after a time in which nobody could be heard."""
        self._heard.clear()
