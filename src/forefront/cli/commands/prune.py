"""`forefront prune`: the single completions of long ago, deleted."""

import sys
from datetime import UTC, date, datetime
from typing import Annotated

import typer
from rich.console import Console

from forefront.cli.progress import counted
from forefront.cli.store import command_store, fail
from forefront.gateway.store.prune import count_before, delete_before


def prune(
    before: Annotated[
        str, typer.Option(metavar="DAY", help="The first day (UTC) that stays, such as 2026-01-31; yesterday at last.")
    ],
    yes: Annotated[bool, typer.Option("--yes", help="Do not ask.")] = False,
) -> None:
    """Delete the ledger's single completions of before a day, for good.

    The sums by day, key, project and model stay: `forefront usage` and budgets are the same afterwards. Servers may
    run meanwhile.
    """
    day = _day(before)
    with command_store() as database:
        found = count_before(database, day)
        text = f"{found} completions of before {day} (UTC)"
        if found and not yes:
            if not sys.stdin.isatty():
                fail(f"{text} would be deleted for good: say --yes")
            typer.confirm(f"Delete {text} for good? Sums stay.", abort=True)
        with counted("deleted") as tell:
            count = delete_before(database, day, tell)
    Console(highlight=False, soft_wrap=True).print(f"{count} completions of before {day} deleted", markup=False)


def _day(text: str) -> date:
    """A day of which no server has anything left to write."""
    try:
        day = datetime.strptime(text, "%Y-%m-%d").replace(tzinfo=UTC).date()
    except ValueError:
        fail(f"--before {text!r} is not a day such as 2026-01-31")
    if day >= datetime.now(UTC).date():
        fail(f"--before {text} is not over yet: yesterday is the last day that can be named")
    return day
