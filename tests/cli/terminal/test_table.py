"""What commands list can be copied: nothing is cut, neither on a narrow terminal nor in a pipe."""

import os
import pty
import subprocess
import sys
import time
import tracemalloc
from pathlib import Path

import pytest
from rich.cells import cell_len

from forefront.cli.terminal.table import print_table
from forefront.gateway.keys.key_store import KeyStore
from forefront.gateway.store.database import default_url, open_database
from forefront.gateway.store.tables import daily_usage
from forefront.wire.admin.records import Budget, Key, Limits, NewKey, ProjectSettings
from tests.cli.commands.test_serve import forefront

MODEL = "a-family-of-models/a-model-with-a-long-name-70b-instruct-q4_k_m"
PROJECT = "a-project-with-a-name-of-many-letters"
LIMITS = "12345 requests/min, 1234567 tokens/min, 123 at a time, 100000000 tokens/month"
SUMS = (123, 1234567890, 123456789, 1234567890, 0, 1_234_500_000_000, 0)


@pytest.fixture
def home(tmp_path: Path) -> Path:
    """A store in which every text is long."""
    database = open_database(default_url(tmp_path))
    limits = Limits(requests_per_minute=12345, tokens_per_minute=1234567, concurrency=123)
    wanted = NewKey(name="[/bold] the mobile app", project=PROJECT, limits=limits, expires=int(time.time()) + 86400)
    wanted.budget = Budget(tokens=100_000_000)
    made = KeyStore(database).create(wanted)
    with database.write() as connection:
        connection.execute(daily_usage.insert().values(("2026-01-31", made.id, PROJECT, MODEL, *SUMS)))
    database.close()
    return tmp_path


def only_key(home: Path) -> Key:
    database = open_database(default_url(home))
    [key] = KeyStore(database).list_keys()
    database.close()
    return key


def on_terminal(*arguments: str, home: Path) -> str:
    """What the command shows on a terminal of 80 columns."""
    ours, its = pty.openpty()
    environment = {name: value for name, value in os.environ.items() if not name.startswith("FOREFRONT")}
    environment |= {"FOREFRONT_HOME": str(home), "COLUMNS": "80", "TERM": "xterm", "NO_COLOR": "1"}
    process = subprocess.Popen([sys.executable, "-m", "forefront.cli", *arguments], env=environment, stdout=its)
    os.close(its)
    shown = b""
    try:
        while part := os.read(ours, 65536):
            shown += part
    except OSError:  # the other end has been closed
        pass
    os.close(ours)
    assert process.wait(60) == 0
    return shown.decode()


@pytest.mark.slow
def test_in_a_pipe_each_row_is_one_line(home: Path) -> None:
    key = only_key(home)
    for arguments, texts in (
        (["keys", "list"], [key.id, key.name, PROJECT, "chat models", LIMITS, "until "]),
        (["usage", "--by", "day,key,project,model"], ["2026-01-31", key.id, PROJECT, MODEL, "1234567890", "1234.5"]),
        (["projects", "list"], [PROJECT, "1", "none"]),
    ):
        lines = forefront(*arguments, home=home, COLUMNS="80").stdout.splitlines()
        assert len(lines) == 2, lines
        for text in texts:
            assert text in lines[1]


def test_on_a_narrow_terminal_ids_days_and_models_stay_whole(home: Path) -> None:
    key = only_key(home)
    listed = on_terminal("keys", "list", home=home)
    for text in (key.id, PROJECT, "chat", "models", "requests/min"):
        assert text in listed
    assert "…" not in listed
    used = on_terminal("usage", "--by", "day,key,project,model", home=home)
    for text in ("2026-01-31", key.id, PROJECT, MODEL, "1234567890", "1234.5"):
        assert text in used
    assert "…" not in used


def test_folding_columns_wrap_on_a_narrow_terminal(home: Path) -> None:
    database = open_database(default_url(home))
    settings = ProjectSettings(limits=Limits(requests_per_minute=12345, tokens_per_minute=1234567, concurrency=123))
    KeyStore(database).set_project(PROJECT, settings)
    database.close()
    first, second = on_terminal("projects", "list", home=home).splitlines()[1:]
    assert PROJECT in first
    assert second.strip()
    assert max(len(first.rstrip()), len(second.rstrip())) <= 80


def test_a_long_table_in_a_pipe_takes_little_memory(capsys: pytest.CaptureFixture[str]) -> None:
    rows = [(f"2026-01-{number:05}", "a" * 20, "名前", str(number)) for number in range(20_000)]
    tracemalloc.start()
    try:
        print_table(("day", "key", "model", "input"), rows, right=("input",))
        held = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    lines = capsys.readouterr().out.splitlines()
    assert lines[0].split() == ["day", "key", "model", "input"]
    assert [tuple(line.split()) for line in lines[1:]] == rows
    assert len({cell_len(line) for line in lines}) == 1
    assert held < 15_000_000


def test_a_slow_reader_does_not_hold_the_store(home: Path) -> None:
    database = open_database(default_url(home))
    with database.write() as connection:
        for number in range(3000):
            connection.execute(daily_usage.insert().values(("2026-01-31", f"key_{number}", PROJECT, MODEL, *SUMS)))
    environment = {name: value for name, value in os.environ.items() if not name.startswith("FOREFRONT")}
    command = [sys.executable, "-m", "forefront.cli", "usage", "--by", "key,model", "--csv"]
    environment |= {"FOREFRONT_HOME": str(home)}
    with subprocess.Popen(command, env=environment, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        assert process.stdout.readline().startswith("key,model,")
        with database.engine.connect() as raw, raw.execution_options(isolation_level="AUTOCOMMIT") as connection:
            blocked, *_ = connection.exec_driver_sql("PRAGMA wal_checkpoint(TRUNCATE)").one()
        assert len(process.stdout.readlines()) == 3001
    assert not blocked
    database.close()
