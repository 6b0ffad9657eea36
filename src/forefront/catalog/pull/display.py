"""The display of a pull's progress."""

from collections.abc import Callable
from contextlib import AbstractContextManager

# Opens a display for a title and a size in bytes, 0 if unknown; the result takes the number of bytes so far.
Display = Callable[[str, int], AbstractContextManager[Callable[[int], None]]]
