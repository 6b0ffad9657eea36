"""Tables on standard output. Nothing in them is ever cut: people copy ids from them, and programs read them."""

import sys
from collections.abc import Collection, Sequence

from rich.cells import cell_len
from rich.console import Console
from rich.table import Table
from rich.text import Text

# How narrow a column that folds may become, in characters.
_NARROWEST = 20
_PADDING = 2
_ENDLESS = 1_000_000


def print_table(
    columns: Sequence[str], rows: Sequence[Sequence[str]], *, folds: Collection[str] = (), right: Collection[str] = ()
) -> None:
    """Print the rows below the columns' names.

    On a terminal the columns in `folds` go on in further lines where there is no room for them. All others stay whole,
    if need be beyond the terminal's width. Elsewhere each row is one line. `right`: columns of numbers.
    """
    table = Table(box=None)
    for name in columns:
        no_wrap = name not in folds
        table.add_column(name, justify="right" if name in right else "left", no_wrap=no_wrap, overflow="fold")
    for row in rows:
        table.add_row(*(Text(cell) for cell in row))  # as text: names may have brackets
    console = Console(highlight=False)
    needed = _needed(columns, rows, folds) if sys.stdout.isatty() else _ENDLESS
    console.width = max(console.width, needed)
    console.print(table)


def _needed(columns: Sequence[str], rows: Sequence[Sequence[str]], folds: Collection[str]) -> int:
    width = 0
    for place, name in enumerate(columns):
        longest = max(cell_len(text) for text in (name, *(row[place] for row in rows)))
        width += _PADDING + (min(longest, _NARROWEST) if name in folds else longest)
    return width
