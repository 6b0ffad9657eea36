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
        """On a terminal, a bar of `size` bytes with rate and remaining time; elsewhere as `step`."""
        if not self._console.is_terminal:
            with self.step(f"{text} ({size / 1e6:.0f} MB)"):
                yield lambda _count: None
            return
        start = time.monotonic()
        columns = (
            TextColumn("{task.description}"),
            BarColumn(),
            DownloadColumn(),
            TransferSpeedColumn(),
            TimeRemainingColumn(),
        )
        with Progress(*columns, console=self._console, transient=True) as progress:
            task = progress.add_task(text, total=size)
            yield lambda count: progress.update(task, completed=min(count, size))
        self._console.print(f"{text}: {time.monotonic() - start:.1f} s", markup=False)


@contextmanager
def row_progress(action: str) -> Iterator[Callable[[int], None]]:
    """On a terminal, a running count of rows, such as `1,000 rows written`."""
    console = Console(stderr=True, highlight=False)
    if not console.is_terminal:
        yield lambda _count: None
        return
    with console.status(f"0 rows {action} …") as status:
        yield lambda count: status.update(f"{count:,} rows {action} …")
