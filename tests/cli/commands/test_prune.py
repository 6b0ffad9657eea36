"""`forefront prune` deletes the named rows after a confirmation, and reports stay the same."""

import os
import pty
import subprocess
import sys
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
import sqlalchemy as sa

from forefront.gateway.ledger.settlement import LedgerRow, write_rows
from forefront.gateway.store.database import default_url, open_database
from forefront.gateway.store.tables import completions
from tests.cli.commands.in_process import run_here
from tests.cli.commands.test_serve import forefront

_YESTERDAY = (datetime.now(UTC) - timedelta(days=1)).date().isoformat()


@pytest.fixture
def home(tmp_path: Path) -> Path:
    """A store with three completions of January and one of now."""
    database = open_database(default_url(tmp_path))
    times = [datetime(2026, 1, day, 12, tzinfo=UTC).timestamp() for day in (1, 2, 3)] + [datetime.now(UTC).timestamp()]
    rows = [
        LedgerRow(f"c{n}", "k", "p", "m", "completed", "stop", 1, 0, 1, 0, 0, at, at, at) for n, at in enumerate(times)
    ]
    with database.write() as connection:
        write_rows(connection, rows, retry=False)
    database.close()
    return tmp_path


def left(home: Path) -> list[str]:
    database = open_database(default_url(home))
    with database.read() as connection:
        found = list(connection.execute(sa.select(completions.c.id).order_by(completions.c.id)).scalars())
    database.close()
    return found


@pytest.mark.slow
def test_prune_deletes_rows_and_keeps_reports(home: Path) -> None:
    before = run_here("usage", "--by", "day", "--csv", home=home).stdout
    assert len(before.splitlines()) == 5
    refused = forefront("prune", "--before", "2026-01-03", home=home)
    assert (refused.returncode, refused.stderr) == (
        1,
        "forefront: 2 completions before 2026-01-03 (UTC) would be deleted for good: confirm with --yes\n",
    )
    assert left(home) == ["c0", "c1", "c2", "c3"]
    done = run_here("prune", "--before", "2026-01-03", "--yes", home=home)
    assert (done.stdout, done.stderr) == ("2 completions before 2026-01-03 deleted\n", "")
    assert run_here("prune", "--before", _YESTERDAY, "--yes", home=home).stdout.startswith("1 completions")
    assert left(home) == ["c3"]
    assert run_here("usage", "--by", "day", "--csv", home=home).stdout == before
    assert run_here("prune", "--before", _YESTERDAY, home=home).stdout.startswith("0 completions")


@pytest.mark.parametrize(
    ("day", "message"),
    [
        ("soon", "--before 'soon' is not a day such as 2026-01-31"),
        ("2026-02-30", "--before '2026-02-30' is not a day"),
        (datetime.now(UTC).date().isoformat(), "the latest possible day is yesterday"),
        ("2999-01-01", "the latest possible day is yesterday"),
    ],
)
def test_an_invalid_or_unfinished_day_is_refused(home: Path, day: str, message: str) -> None:
    refused = run_here("prune", "--before", day, "--yes", home=home)
    assert refused.exit_code == 1
    assert message in refused.stderr
    assert len(left(home)) == 4


@pytest.mark.parametrize(("reply", "stay"), [(b"y\n", 2), (b"n\n", 4), (b"\n", 4)])
def test_on_a_terminal_it_prompts(home: Path, reply: bytes, stay: int) -> None:
    ours, its = pty.openpty()
    environment = {name: value for name, value in os.environ.items() if not name.startswith("FOREFRONT")}
    command = [sys.executable, "-m", "forefront.cli", "prune", "--before", "2026-01-03"]
    environment |= {"FOREFRONT_HOME": str(home)}
    with subprocess.Popen(command, env=environment, stdin=its, stdout=subprocess.PIPE, text=True) as process:
        os.write(ours, reply)
        assert process.stdout is not None
        shown = process.stdout.read()
    os.close(its)
    os.close(ours)
    assert "Delete 2 completions before 2026-01-03 (UTC) for good? Sums stay. [y/N]" in shown
    assert process.returncode == (0 if stay == 2 else 1)
    assert len(left(home)) == stay
