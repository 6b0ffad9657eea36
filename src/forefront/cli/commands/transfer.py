"""`forefront export` and `forefront import`: a whole store as one file, for a move to another database."""

from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console

from forefront.cli.store import command_store, fail
from forefront.cli.terminal.printable import printable
from forefront.cli.terminal.progress import row_progress
from forefront.gateway.store.transfer import TransferError, export_database, import_database

File = Annotated[Path, typer.Argument(metavar="FILE", help="File of JSON lines, one for each row of each table.")]


def export_store(file: File) -> None:
    """Write keys (as hashes), projects and the ledger to FILE, readable by its owner alone.

    An existing FILE is replaced only once the new one is complete.
    """
    with command_store() as database, row_progress("written") as progress:
        try:
            count = export_database(database, file, progress)
        except OSError as error:
            fail(f"{file} cannot be written: {error.strerror}")
        except ValueError:
            fail(f"{str(file)!r} is not a valid path")
    Console(highlight=False, soft_wrap=True).print(printable(f"{count} rows written to {file}"), markup=False)


def import_store(file: File) -> None:
    """Import FILE into a store without keys. An incomplete file is refused, and nothing of it is kept."""
    with command_store() as database, row_progress("read") as progress:
        try:
            count = import_database(database, file, progress)
        except OSError as error:
            fail(f"{file} cannot be read: {error.strerror}")
        except TransferError as error:
            fail(f"{file}: {error}")
        except ValueError:
            fail(f"{str(file)!r} is not a valid path")
    Console(highlight=False, soft_wrap=True).print(printable(f"{count} rows read from {file}"), markup=False)
