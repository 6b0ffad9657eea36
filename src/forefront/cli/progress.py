"""What a command does while it takes long: a line for each step of a start, a count of rows."""

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


class Steps:
    """Shows steps on a terminal with a spinner, and elsewhere (a log file) as one line at their start and end."""

    def __init__(self, console: Console) -> None:
        self._console = console

    @contextmanager
    def step(self, text: str) -> Iterator[None]:
        """Announce a step; when it has been done, say how long it took."""
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
        """On a terminal, a bar of `size` bytes with the rate and the remaining time; elsewhere as `step`."""
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
def counted(done: str) -> Iterator[Callable[[int], None]]:
    """On a terminal, a count of rows that goes on while something is done with them."""
    console = Console(stderr=True, highlight=False)
    if not console.is_terminal:
        yield lambda _count: None
        return
    with console.status(f"0 rows {done} …") as status:
        yield lambda count: status.update(f"{count:,} rows {done} …")
