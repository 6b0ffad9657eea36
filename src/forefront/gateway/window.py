"""A limit over any 60 seconds: no window of that length ever holds more, wherever it begins."""

from collections import deque
from dataclasses import dataclass
from typing import Final

WINDOW: Final = 60.0


@dataclass(slots=True)
class Entry:
    """An amount that counts from `at` (seconds) until a minute later."""

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
            wait = entry.at + WINDOW - now
            if excess <= 0:
                return wait
        return 0.0

    def take(self, now: float, amount: int) -> Entry:
        """Count `amount`, whether or not it fits."""
        entry = Entry(now, amount)
        self._entries.append(entry)
        self._used += amount
        return entry

    def correct(self, entry: Entry, amount: int) -> None:
        """Count `amount` in place of what was taken, if that still counts."""
        if entry.counts:
            self._used += amount - entry.amount
            entry.amount = amount

    def reset(self, now: float) -> float:
        """Seconds until nothing counts any more."""
        self.used(now)
        return self._entries[-1].at + WINDOW - now if self._entries else 0.0
