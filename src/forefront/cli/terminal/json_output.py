"""JSON on standard output."""

import msgspec
import typer


def print_json(record: object) -> None:
    """Print a record, indented."""
    typer.echo(msgspec.json.format(msgspec.json.encode(record), indent=1).decode())
