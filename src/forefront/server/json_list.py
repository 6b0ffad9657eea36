"""A long array of an answer."""

from collections.abc import Sequence
from typing import Any

import msgspec


class JsonList:
    """A JSON array that is encoded as its entries come: encoding millions of log-probabilities at the end would stop
    the event loop."""

    def __init__(self) -> None:
        self._parts: list[bytes] = []

    def extend(self, entries: Sequence[Any]) -> None:
        """Add entries, each anything that msgspec encodes."""
        if entries:
            self._parts.append(msgspec.json.encode(entries)[1:-1])

    def raw(self) -> Any:
        """The array, to stand in a struct in place of the list."""
        return msgspec.Raw(b"[" + b",".join(self._parts) + b"]")
