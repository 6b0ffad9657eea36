"""A sliding-window counter: no period of 60 seconds ever contains more than the limit."""

from collections import deque
from dataclasses import dataclass
from typing import Final

WINDOW: Final = 60.0  # seconds
# Seconds. Amounts within one bucket share an entry, because thousands of requests a second would otherwise keep as many
# objects for a minute. An entry expires a minute after its latest amount, not after its bucket's end: `retry-after`
# stays exact.
BUCKET: Final = 1 / 64


@dataclass(slots=True)
class WindowEntry:
    """The amounts of one bucket, which count until a minute after `at` (seconds), the time of the latest."""

    at: float
    amount: int
    counts: bool = True


class SlidingWindow:
    """Usage within the last minute, of at most `limit`. All times come from the caller, in seconds."""

    def __init__(self, limit: int) -> None:
        self.limit = limit
        self._entries: deque[WindowEntry] = deque()
        self._used = 0

    def used(self, now: float) -> int:
        """The amount that counts now."""
        while self._entries and self._entries[0].at <= now - WINDOW:
            entry = self._entries.popleft()
            entry.counts = False
            self._used -= entry.amount
        return self._used

    def remaining(self, now: float) -> int:
        """The remaining amount."""
        return max(self.limit - self.used(now), 0)

    def wait(self, now: float, amount: int) -> float | None:
        """Seconds until `amount` more fits: 0 for at once, None for never."""
        if amount > self.limit:
            return None
        excess = self.used(now) + amount - self.limit
        if excess <= 0:
            return 0.0
        for entry in self._entries:
            excess -= entry.amount
            if excess <= 0:
                return WINDOW - (now - entry.at)
        return 0.0

    def add(self, now: float, amount: int) -> WindowEntry:
        """Count `amount`, whether or not it fits."""
        if not self._entries or self._entries[-1].at // BUCKET != now // BUCKET:
            self._entries.append(WindowEntry(now, 0))
        entry = self._entries[-1]
        entry.at = max(entry.at, now)
        entry.amount += amount
        self._used += amount
        return entry

    def adjust(self, entry: WindowEntry, difference: int) -> None:
        """Change an entry's amount by `difference`, if the entry still counts."""
        if entry.counts:
            self._used += difference
            entry.amount += difference

    def reset(self, now: float) -> float:
        """Seconds until all usage has expired."""
        self.used(now)
        return WINDOW - (now - self._entries[-1].at) if self._entries else 0.0
