"""`forefront usage`: what was used, by day, key, project or model."""

import csv
import shutil
import sys
import tempfile
from collections.abc import Iterable, Sequence
from typing import Annotated

import typer

from forefront.cli.store import command_store
from forefront.cli.table import print_table
from forefront.gateway.ledger.usage_reports import Usage
from forefront.wire.admin import UsageRow
from forefront.wire.parse_admin import parse_report_query

_SUMS = ("requests", "input_tokens", "cached_tokens", "output_tokens", "reasoning_tokens", "cost")


def usage(
    by: Annotated[
        str, typer.Option(help="Columns to group by: `day`, `key`, `project`, `model`.")
    ] = "day,project,model",
    since: Annotated[str | None, typer.Option(metavar="DAY", help="First day (UTC), such as 2026-01-31.")] = None,
    until: Annotated[str | None, typer.Option(metavar="DAY", help="Last day.")] = None,
    key: Annotated[str | None, typer.Option(metavar="ID", help="Of this key alone.")] = None,
    project: Annotated[str | None, typer.Option(help="Of this project alone.")] = None,
    model: Annotated[str | None, typer.Option(help="Of this model alone.")] = None,
    as_csv: Annotated[bool, typer.Option("--csv", help="Print CSV.")] = False,
) -> None:
    """Show what was used, from the ledger: requests, tokens, cost."""
    given = {"by": by, "since": since, "until": until, "key": key, "project": project, "model": model}
    with command_store() as database:
        wanted = parse_report_query({name: value for name, value in given.items() if value is not None})
        lines = ([*row.group.values(), *_sums(row)] for row in Usage(database).rows(wanted, patient=True))
        if as_csv:
            _print_csv([*wanted.by, *_SUMS], lines)
            return
        sums = [name.removesuffix("_tokens") for name in _SUMS]
        print_table([*wanted.by, *sums], lines, right=sums)


def _print_csv(head: Sequence[str], lines: Iterable[Sequence[str]]) -> None:
    """Print the lines once all have been read: whoever looks at the first page does not keep the store."""
    with tempfile.TemporaryFile("w+", newline="") as file:
        writer = csv.writer(file, lineterminator="\n")
        writer.writerow(head)
        writer.writerows(lines)
        file.seek(0)
        shutil.copyfileobj(file, sys.stdout)
        sys.stdout.flush()


def _sums(row: UsageRow) -> list[str]:
    return [f"{row[name]:.9f}".rstrip("0").rstrip(".") if name == "cost" else str(row[name]) for name in _SUMS]
