"""Objects that are unpickled in pieces.

`pickle` holds the interpreter lock while it reads lists and dicts, for 30 ms at the largest grammars. Between two
pieces it calls a function, where the interpreter gives the lock to a thread that waits, such as the event loop's.
"""

from collections.abc import Callable
from typing import Any, Final

# Entries of a piece, which take about 0.2 ms.
_ENTRIES: Final = 500


class PickledInPieces:
    """An object with attributes that are lists or dicts, which are pickled in pieces."""

    def __getstate__(self) -> dict[str, Any]:
        return {name: _divided(value) for name, value in self.__dict__.items()}

    def __setstate__(self, state: dict[str, Any]) -> None:
        for name, value in state.items():
            self.__dict__[name] = value.joined() if isinstance(value, _Divided) else value


class _Piece:
    """A piece; unpickled, it is the list of its entries."""

    def __init__(self, entries: list[Any]) -> None:
        self._entries = entries

    def __reduce__(self) -> tuple[Callable[[list[Any]], list[Any]], tuple[list[Any]]]:
        return _loaded, (self._entries,)


class _Divided:
    """A list or dict in pieces."""

    def __init__(self, kind: type[list[Any]] | type[dict[Any, Any]], pieces: list[Any]) -> None:
        self._kind, self._pieces = kind, pieces

    def joined(self) -> Any:
        """The list or dict, from pieces that have been unpickled."""
        found: Any = self._kind()
        add = found.extend if self._kind is list else found.update
        for piece in self._pieces:
            add(piece)
        return found


def _loaded(entries: list[Any]) -> list[Any]:
    return entries


def _divided(value: Any) -> Any:
    if type(value) not in (list, dict) or len(value) <= _ENTRIES:
        return value
    entries = list(value.items()) if isinstance(value, dict) else value
    pieces = [_Piece(entries[start : start + _ENTRIES]) for start in range(0, len(entries), _ENTRIES)]
    return _Divided(type(value), pieces)
