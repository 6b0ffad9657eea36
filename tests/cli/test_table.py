"""What commands list can be copied: nothing is cut, neither on a narrow terminal nor in a pipe."""

import os
import pty
import subprocess
import sys
import time
from pathlib import Path

import pytest

from forefront.gateway.database import default_url, open_database
from forefront.gateway.keys import KeyStore
from forefront.gateway.tables import days
from forefront.wire.admin import Budget, Key, Limits, NewKey, ProjectSettings
from tests.cli.test_serve import forefront

MODEL = "a-family-of-models/a-model-with-a-long-name-70b-instruct-q4_k_m"
PROJECT = "a-project-with-a-name-of-many-letters"
LIMITS = "12345 requests/min, 1234567 tokens/min, 123 at a time, 100000000 tokens/month"
SUMS = (123, 1234567890, 123456789, 1234567890, 0, 1_234_500_000_000)


@pytest.fixture
def home(tmp_path: Path) -> Path:
    """A store in which every text is long."""
    database = open_database(default_url(tmp_path))
    limits = Limits(requests_per_minute=12345, tokens_per_minute=1234567, concurrency=123)
    wanted = NewKey(name="[/bold] the mobile app", project=PROJECT, limits=limits, expires=int(time.time()) + 86400)
    wanted.budget = Budget(tokens=100_000_000)
    made = KeyStore(database).create(wanted)
    with database.write() as connection:
        connection.execute(days.insert().values(("2026-01-31", made.id, PROJECT, MODEL, *SUMS)))
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


def test_on_a_narrow_terminal_what_folds_goes_on_in_the_next_line(home: Path) -> None:
    database = open_database(default_url(home))
    settings = ProjectSettings(limits=Limits(requests_per_minute=12345, tokens_per_minute=1234567, concurrency=123))
    KeyStore(database).set_project(PROJECT, settings)
    database.close()
    first, second = on_terminal("projects", "list", home=home).splitlines()[1:]
    assert PROJECT in first
    assert second.strip()
    assert max(len(first.rstrip()), len(second.rstrip())) <= 80
