"""`forefront prune`: deletes old completions from the ledger, and old stored responses and conversations."""

import sys
from datetime import UTC, date, datetime
from typing import Annotated

import typer
from rich.console import Console

from forefront.cli.store import command_store, fail
from forefront.cli.terminal.progress import row_progress
from forefront.gateway.store.prune import (
    count_completions_before,
    count_conversations_before,
    count_responses_before,
    delete_completions_before,
    delete_conversations_before,
    delete_responses_before,
)


def prune(
    before: Annotated[
        str, typer.Option(metavar="DAY", help="First day (UTC) to keep, such as 2026-01-31; yesterday at the latest.")
    ],
    yes: Annotated[bool, typer.Option("--yes", help="Do not ask for confirmation.")] = False,
) -> None:
    """Delete the completions before a day from the ledger, the responses stored before it, and the conversations
    without a change since it, for good.

    Sums by day, key, project and model stay, so `forefront usage` and budgets do not change. Servers may run
    meanwhile.
    """
    day = _day(before)
    with command_store() as database:
        stored, unused = count_responses_before(database, day), count_conversations_before(database, day)
        counts = count_completions_before(database, day), stored, unused
        text = f"{_listed(*counts)} before {day} (UTC)"
        if any(counts) and not yes:
            if not sys.stdin.isatty():
                fail(f"{text} would be deleted for good: confirm with --yes")
            typer.confirm(f"Delete {text} for good? Sums stay.", abort=True)
        with row_progress("deleted") as progress:
            count = delete_completions_before(database, day, progress)
        with row_progress("stored responses deleted") as progress:
            stored = delete_responses_before(database, day, progress)
        with row_progress("conversations deleted") as progress:
            unused = delete_conversations_before(database, day, progress)
    console = Console(highlight=False, soft_wrap=True)
    console.print(f"{_listed(count, stored, unused)} before {day} deleted", markup=False)


def _listed(completions: int, responses: int, conversations: int) -> str:
    parts = [f"{completions} completions"]
    parts += [f"{responses} stored responses"] if responses else []
    parts += [f"{conversations} conversations"] if conversations else []
    return " and ".join([", ".join(parts[:-1]), parts[-1]] if len(parts) > 1 else parts)


def _day(text: str) -> date:
    """A day before today: servers may still write completions of today."""
    try:
        day = datetime.strptime(text, "%Y-%m-%d").replace(tzinfo=UTC).date()
    except ValueError:
        fail(f"--before {text!r} is not a day such as 2026-01-31")
    if day >= datetime.now(UTC).date():
        fail(f"--before {text} is not over yet: the latest possible day is yesterday")
    return day
