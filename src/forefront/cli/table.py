"""Tables on standard output. Nothing in them is ever cut: people copy ids from them, and programs read them."""

import sys
from collections.abc import Collection, Iterable, Sequence

from rich.cells import cell_len
from rich.console import Console
from rich.table import Table
from rich.text import Text

from forefront.cli.printable import printable

# How narrow a column that folds may become, in characters.
_NARROWEST = 20
_PADDING = 2
_END = "\0"  # between cells, in which it cannot be


def print_table(
    columns: Sequence[str], rows: Iterable[Sequence[str]], *, folds: Collection[str] = (), right: Collection[str] = ()
) -> None:
    """Print the rows below the columns' names.

    On a terminal the columns in `folds` go on in further lines where there is no room for them. All others stay whole,
    if need be beyond the terminal's width. Elsewhere each row is one line. `right`: columns of numbers.
    """
    shown = ([printable(cell) for cell in row] for row in rows)
    if folds and sys.stdout.isatty():
        _print_folded(columns, list(shown), folds, right)
    else:
        _print_lines(columns, shown, right)


def _print_lines(columns: Sequence[str], rows: Iterable[Sequence[str]], right: Collection[str]) -> None:
    """A line for each row. Reports have hundreds of thousands, for which rich takes minutes and gigabytes."""
    widths = list(map(cell_len, columns))
    kept = []
    for row in rows:
        widths = list(map(max, widths, map(_length, row)))
        kept.append(_END.join(row))  # a quarter of the memory of a list
    aligned = [name in right for name in columns]
    Console(highlight=False, soft_wrap=True).print(Text(_line(columns, widths, aligned), style="bold"))
    sys.stdout.writelines(f"{_line(row.split(_END), widths, aligned)}\n" for row in kept)


def _print_folded(
    columns: Sequence[str], rows: Sequence[Sequence[str]], folds: Collection[str], right: Collection[str]
) -> None:
    table = Table(box=None)
    for name in columns:
        no_wrap = name not in folds
        table.add_column(name, justify="right" if name in right else "left", no_wrap=no_wrap, overflow="fold")
    for row in rows:
        table.add_row(*(Text(cell) for cell in row))  # as text: names may have brackets
    console = Console(highlight=False)
    console.width = max(console.width, _needed(columns, rows, folds))
    console.print(table)


def _line(cells: Sequence[str], widths: Sequence[int], right: Sequence[bool]) -> str:
    padded = []
    for cell, width, at_right in zip(cells, widths, right, strict=True):
        space = " " * (width - _length(cell))
        padded.append(space + cell if at_right else cell + space)
    return " " + "  ".join(padded).rstrip()


def _length(text: str) -> int:
    return len(text) if text.isascii() else cell_len(text)


def _needed(columns: Sequence[str], rows: Sequence[Sequence[str]], folds: Collection[str]) -> int:
    width = 0
    for place, name in enumerate(columns):
        longest = max(cell_len(text) for text in (name, *(row[place] for row in rows)))
        width += _PADDING + (min(longest, _NARROWEST) if name in folds else longest)
    return width
