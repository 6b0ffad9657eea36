"""Reading character by character, so that how a text is cut cannot matter.

A reading is a generator. It is sent one character at a time, "" at the end of the text, and returns what it found.
"""

from collections.abc import Callable, Generator, Sequence
from typing import TypeVar

Found = TypeVar("Found")
Reading = Generator[None, str, Found]


def until(markers: Sequence[str], char: str, take: Callable[[str], None]) -> Reading[str]:
    """Gives the text from `char` on to `take`, up to the first of `markers`; returns that.

    Text is held back only while it may be the beginning of a marker; where the text ends with one, or with "", that is
    returned. No marker may be the beginning of another.
    """
    held = ""
    while char:
        held += char
        if held in markers:
            return held
        while held and not any(marker.startswith(held) for marker in markers):
            take(held[0])
            held = held[1:]
        char = yield
    return held
