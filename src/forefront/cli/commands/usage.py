"""`forefront usage`: requests, tokens and cost by day, key, project or model."""

import csv
import shutil
import sys
import tempfile
from collections.abc import Iterable, Sequence
from typing import Annotated

import typer

from forefront.cli.store import command_store
from forefront.cli.terminal.table import print_table
from forefront.gateway.ledger.usage_reports import UsageReports
from forefront.wire.admin.parse import parse_report_query
from forefront.wire.admin.records import UsageRow

_SUMS = ("requests", "input_tokens", "cached_tokens", "output_tokens", "reasoning_tokens", "cost", "estimated_requests")


def usage(
    by: Annotated[
        str, typer.Option(help="Columns to group by: `day`, `key`, `project`, `model`.")
    ] = "day,project,model",
    since: Annotated[str | None, typer.Option(metavar="DAY", help="First day (UTC), such as 2026-01-31.")] = None,
    until: Annotated[str | None, typer.Option(metavar="DAY", help="Last day (UTC).")] = None,
    key: Annotated[str | None, typer.Option(metavar="ID", help="Only this key.")] = None,
    project: Annotated[str | None, typer.Option(help="Only this project.")] = None,
    model: Annotated[str | None, typer.Option(help="Only this model.")] = None,
    as_csv: Annotated[bool, typer.Option("--csv", help="Print CSV.")] = False,
) -> None:
    """Show usage from the ledger: requests, tokens and cost."""
    options = {"by": by, "since": since, "until": until, "key": key, "project": project, "model": model}
    with command_store() as database:
        query = parse_report_query({name: value for name, value in options.items() if value is not None})
        rows = UsageReports(database).rows(query, statement_timeout=False)
        lines = ([*row.group.values(), *_sums(row)] for row in rows)
        if as_csv:
            _print_csv([*query.by, *_SUMS], lines)
            return
        sums = [name.removesuffix("_tokens").removesuffix("_requests") for name in _SUMS]
        print_table([*query.by, *sums], lines, right=sums)


def _print_csv(head: Sequence[str], lines: Iterable[Sequence[str]]) -> None:
    """Print the lines once all are read, so that a slow reader does not hold a transaction of the store open."""
    with tempfile.TemporaryFile("w+", newline="") as file:
        writer = csv.writer(file, lineterminator="\n")
        writer.writerow(head)
        writer.writerows(lines)
        file.seek(0)
        shutil.copyfileobj(file, sys.stdout)
        sys.stdout.flush()


def _sums(row: UsageRow) -> list[str]:
    return [f"{row[name]:.9f}".rstrip("0").rstrip(".") if name == "cost" else str(row[name]) for name in _SUMS]
