"""A display of progress that records the numbers."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager


class RecordedDisplay:
    """`texts`: the titles. `counts`: the numbers of bytes."""

    def __init__(self) -> None:
        self.texts: list[str] = []
        self.counts: list[int] = []

    @contextmanager
    def display(self, text: str, size: int) -> Iterator[Callable[[int], None]]:
        """A `Display`."""
        self.texts.append(text)
        yield self.counts.append
