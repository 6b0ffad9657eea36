"""Scans a text character by character; the result does not depend on how the text is split.

A reading is a generator. It is sent one character at a time, "" at the end of the text, and returns what it found. It
may yield a function that takes all text up to the next relevant character, so that long runs need not be sent character
by character.
"""

import re
from collections.abc import Callable, Generator, Sequence
from contextlib import suppress
from functools import lru_cache
from typing import TypeVar

ResultT = TypeVar("ResultT")
Take = Callable[[str], None]
TextReading = Generator[Take | None, str, ResultT]

# Characters that end or change a run within a JSON string or between tags.
_STOPS = '<"\\'


class TextScanner:
    """Runs a reading on a text that comes in pieces; `markers` are those that the reading looks for."""

    def __init__(self, reading: TextReading[None], markers: Sequence[str]) -> None:
        self._run = _run("".join(sorted({marker[0] for marker in markers})))
        self._reading = reading
        self._take = next(reading)

    def feed(self, text: str) -> None:
        """Reads more text."""
        place = 0
        while place < len(text):
            if self._take is not None and (run := self._run.match(text, place)):
                self._take(run[0])
                place = run.end()
            else:
                self._take = self._reading.send(text[place])
                place += 1

    def finish(self) -> None:
        """The text ends here."""
        with suppress(StopIteration):
            self._reading.send("")


@lru_cache(maxsize=64)
def _run(firsts: str) -> re.Pattern[str]:
    """Text without the first character of any marker."""
    return re.compile(f"[^{re.escape(_STOPS + firsts)}]+")


def until(markers: Sequence[str], char: str, take: Take, *, runs: bool = True) -> TextReading[str]:
    """Gives the text from `char` on to `take`, up to the first of `markers`; returns that.

    Text is held back only while it may be the beginning of a marker; where the text ends with one, or with "", that is
    returned. No marker is the beginning of another. Without `runs` markers may begin with characters that the scanner
    does not look for.
    """
    held = ""
    while char:
        held += char
        if held in markers:
            return held
        while held and not any(marker.startswith(held) for marker in markers):
            take(held[0])
            held = held[1:]
        char = yield take if runs and not held else None
    return held
