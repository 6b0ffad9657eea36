"""`forefront export` and `forefront import`: a whole store as one file, to move it from one database to another."""

from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console

from forefront.cli.progress import counted
from forefront.cli.store import command_store, fail
from forefront.gateway.store.transfer import TransferError, read_into, write_out

File = Annotated[Path, typer.Argument(metavar="FILE", help="JSON lines: one for each row of each table.")]


def export_store(file: File) -> None:
    """Write keys (their hashes), projects and the ledger to FILE, readable by you alone.

    A FILE that is there already stays as it is until the new one is whole.
    """
    with command_store() as database, counted("written") as tell:
        try:
            count = write_out(database, file, tell)
        except OSError as error:
            fail(f"{file} cannot be written: {error.strerror}")
    Console(highlight=False, soft_wrap=True).print(f"{count} rows written to {file}", markup=False)


def import_store(file: File) -> None:
    """Read FILE into a store that has no keys yet. A file that is not whole is refused, and nothing of it is kept."""
    with command_store() as database, counted("read") as tell:
        try:
            count = read_into(database, file, tell)
        except OSError as error:
            fail(f"{file} cannot be read: {error.strerror}")
        except TransferError as error:
            fail(f"{file}: {error}")
    Console(highlight=False, soft_wrap=True).print(f"{count} rows read from {file}", markup=False)
