"""Progress of long commands: the steps of a start, downloads, and counts of rows."""

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from rich.console import Console
from rich.progress import (
    BarColumn,
    DownloadColumn,
    Progress,
    TextColumn,
    TimeRemainingColumn,
    TransferSpeedColumn,
)

from forefront.cli.terminal.printable import printable


def format_size(size: int) -> str:
    """Bytes in decimal units, such as `93 MB`."""
    for unit, factor in (("GB", 1e9), ("MB", 1e6), ("kB", 1e3)):
        if size >= factor:
            return f"{size / factor:.{0 if size >= 10 * factor else 1}f} {unit}"
    return f"{size} bytes"


class StartupProgress:
    """Steps as a spinner on a terminal, and elsewhere, as in a log file, as one line at start and end."""

    def __init__(self, console: Console) -> None:
        self._console = console

    @contextmanager
    def step(self, text: str) -> Iterator[None]:
        """Show a step, and its duration at the end."""
        start = time.monotonic()
        if self._console.is_terminal:
            with self._console.status(f"{text} …"):
                yield
        else:
            self._console.print(f"{text} …", markup=False)
            yield
        self._console.print(f"{text}: {time.monotonic() - start:.1f} s", markup=False)

    @contextmanager
    def download(self, text: str, size: int) -> Iterator[Callable[[int], None]]:
        """On a terminal, a bar with rate and remaining time; elsewhere as `step`. `size`: in bytes, 0 if unknown."""
        text = printable(text)
        if not self._console.is_terminal:
            with self.step(f"{text} ({format_size(size)})" if size else text):
                yield lambda _count: None
            return
        start = time.monotonic()
        columns = (
            TextColumn("{task.description}", markup=False),
            BarColumn(),
            DownloadColumn(),
            TransferSpeedColumn(),
            TimeRemainingColumn(),
        )
        with Progress(*columns, console=self._console, transient=True) as progress:
            task = progress.add_task(text, total=size or None)
            yield lambda count: progress.update(task, completed=min(count, size) if size else count)
        self._console.print(f"{text}: {time.monotonic() - start:.1f} s", markup=False)


class SilentProgress:
    """Shows nothing."""

    @contextmanager
    def step(self, _text: str) -> Iterator[None]:
        """See `StartupProgress`."""
        yield

    @contextmanager
    def download(self, _text: str, _size: int) -> Iterator[Callable[[int], None]]:
        """See `StartupProgress`."""
        yield lambda _count: None


@contextmanager
def row_progress(action: str) -> Iterator[Callable[[int], None]]:
    """On a terminal, a running count of rows, such as `1,000 rows written`."""
    console = Console(stderr=True, highlight=False)
    if not console.is_terminal:
        yield lambda _count: None
        return
    with console.status(f"0 rows {action} …") as status:
        yield lambda count: status.update(f"{count:,} rows {action} …")
