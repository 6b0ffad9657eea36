"""Tables on standard output. Cells are never truncated: ids are copied from them, and programs read them."""

import sys
from collections.abc import Collection, Iterable, Sequence

from rich.cells import cell_len
from rich.console import Console
from rich.table import Table
from rich.text import Text

from forefront.cli.terminal.printable import printable

# The minimum width of a folded column, in characters.
_MIN_WIDTH = 20
_PADDING = 2
_SEPARATOR = "\0"  # of joined cells, which never contain it


def print_table(
    columns: Sequence[str], rows: Iterable[Sequence[str]], *, folds: Collection[str] = (), right: Collection[str] = ()
) -> None:
    """Print the rows below the columns' names.

    On a terminal, the columns in `folds` are wrapped where the width is too small; all others stay whole, beyond the
    terminal's width if necessary. Elsewhere each row is one line. `right`: columns of numbers.
    """
    shown = ([printable(cell) for cell in row] for row in rows)
    if folds and sys.stdout.isatty():
        _print_folded(columns, list(shown), folds, right)
    else:
        _print_lines(columns, shown, right)


def _print_lines(columns: Sequence[str], rows: Iterable[Sequence[str]], right: Collection[str]) -> None:
    """Print one line for each row. For the hundreds of thousands of a report, rich takes minutes and gigabytes."""
    widths = list(map(cell_len, columns))
    joined = []
    for row in rows:
        widths = list(map(max, widths, map(_length, row)))
        joined.append(_SEPARATOR.join(row))  # a quarter of the memory of a list
    aligned = [name in right for name in columns]
    Console(highlight=False, soft_wrap=True).print(Text(_line(columns, widths, aligned), style="bold"))
    sys.stdout.writelines(f"{_line(row.split(_SEPARATOR), widths, aligned)}\n" for row in joined)


def _print_folded(
    columns: Sequence[str], rows: Sequence[Sequence[str]], folds: Collection[str], right: Collection[str]
) -> None:
    table = Table(box=None)
    for name in columns:
        no_wrap = name not in folds
        table.add_column(name, justify="right" if name in right else "left", no_wrap=no_wrap, overflow="fold")
    for row in rows:
        table.add_row(*(Text(cell) for cell in row))  # as `Text`, since names may contain markup
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
        width += _PADDING + (min(longest, _MIN_WIDTH) if name in folds else longest)
    return width
