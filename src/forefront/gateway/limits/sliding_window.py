"""A limit over any 60 seconds: no window of that length ever holds more, wherever it begins."""

from collections import deque
from dataclasses import dataclass
from typing import Final

WINDOW: Final = 60.0
# Seconds. What comes within one is kept as one, and counts until a minute after the last of it: thousands of requests a
# second would leave as many objects for a minute each. Not after its end: clients wait for a minute, and no longer.
TICK: Final = 1 / 64


@dataclass(slots=True)
class Entry:
    """Amounts of one tick, which count until a minute after `at` (seconds), when the last of them came."""

    at: float
    amount: int
    counts: bool = True


class Window:
    """What was used in the last minute, of at most `limit`. Knows the time only as its callers tell it."""

    def __init__(self, limit: int) -> None:
        self.limit = limit
        self._entries: deque[Entry] = deque()
        self._used = 0

    def used(self, now: float) -> int:
        """How much counts now."""
        while self._entries and self._entries[0].at <= now - WINDOW:
            entry = self._entries.popleft()
            entry.counts = False
            self._used -= entry.amount
        return self._used

    def remaining(self, now: float) -> int:
        """How much could be used now."""
        return max(self.limit - self.used(now), 0)

    def wait(self, now: float, amount: int) -> float | None:
        """Seconds until `amount` more fits, 0 for at once, None for never."""
        if amount > self.limit:
            return None
        excess = self.used(now) + amount - self.limit
        for entry in self._entries:
            if excess <= 0:
                break
            excess -= entry.amount
            wait = WINDOW - (now - entry.at)
            if excess <= 0:
                return wait
        return 0.0

    def take(self, now: float, amount: int) -> Entry:
        """Count `amount`, whether or not it fits."""
        if not self._entries or self._entries[-1].at // TICK != now // TICK:
            self._entries.append(Entry(now, 0))
        entry = self._entries[-1]
        entry.at = max(entry.at, now)
        entry.amount += amount
        self._used += amount
        return entry

    def correct(self, entry: Entry, more: int) -> None:
        """Count so many `more` than were taken, or fewer, if they still count."""
        if entry.counts:
            self._used += more
            entry.amount += more

    def reset(self, now: float) -> float:
        """Seconds until nothing counts any more."""
        self.used(now)
        return WINDOW - (now - self._entries[-1].at) if self._entries else 0.0
