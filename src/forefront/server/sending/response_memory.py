"""The memory of a collected response, counted for its request."""

from collections.abc import Callable, Sequence
from typing import Any, Final

import msgspec

_STEP: Final = 2**16  # bytes
_EACH: Final = 64  # bytes of an object beside its contents
_encoder = msgspec.json.Encoder()


class ResponseMemory:
    """Holds memory in steps by `grow`, which raises `RequestError` when there is none left. The first step is free."""

    def __init__(self, grow: Callable[[int], None]) -> None:
        self._grow = grow
        self._left = _STEP

    def add(self, text: str) -> None:
        """The answer holds this text too: in pieces, joined, and encoded as `message` and among `choices`."""
        self._left -= 4 * len(text) + _EACH
        if self._left < 0:
            self._grow_step()

    def encode(self, values: Sequence[Any]) -> list[Any]:
        """The JSON of each log-probability, in place of its objects, which take four times the memory."""
        encoded = [_encoder.encode(value) for value in values]
        self._left -= 2 * sum(map(len, encoded)) + _EACH * len(encoded)
        if self._left < 0:
            self._grow_step()
        return [msgspec.Raw(value) for value in encoded]

    def _grow_step(self) -> None:
        step = _STEP - self._left
        self._grow(step)
        self._left += step
