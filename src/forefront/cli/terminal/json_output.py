"""JSON on standard output."""

from typing import Annotated

import msgspec
import typer

JsonOption = Annotated[bool, typer.Option("--json", help="Print JSON.")]


def print_json(record: object) -> None:
    """Print a record, indented."""
    typer.echo(msgspec.json.format(msgspec.json.encode(record), indent=1).decode())
