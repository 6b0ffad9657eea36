"""A store as one file: all of it or nothing, readable by its owner alone; from and into both databases."""

import json
import os
import stat
import subprocess
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import sqlalchemy as sa

from forefront.gateway.keys.key_store import KeyStore
from forefront.gateway.ledger.pricing import Price
from forefront.gateway.store.bulk_insert import BulkInsert
from forefront.gateway.store.database import Database, StoreError, open_database
from forefront.gateway.store.tables import completions
from forefront.gateway.store.transfer import TransferError, export_database, import_database
from forefront.wire.admin.records import Budget, NewKey
from tests.gateway.helpers import answer, open_gateway, rename

PRICES = {"m": Price.per_million(1.0, 4.0, cached=0.5)}


async def test_a_store_moves_from_one_database_to_the_other(database: Database, tmp_path: Path) -> None:
    async with open_gateway(database, prices=PRICES) as fixture:
        principal = await fixture.principal(NewKey(name="b", project="shop", models=["m"], budget=Budget(tokens=500)))
        for n in range(5):
            await answer(fixture.gateway.admit(principal, "m", f"c{n}"), 10, 10, 10)
    file = tmp_path / "store.jsonl"
    assert export_database(database, file) > 5
    target = open_database(f"sqlite:///{tmp_path / 'other' / 'forefront.db'}")
    assert import_database(target, file) == export_database(target, tmp_path / "again.jsonl")
    assert (tmp_path / "again.jsonl").read_text() == file.read_text()
    with pytest.raises(TransferError, match="in use"):
        import_database(target, file)
    target.close()


@pytest.fixture
def exported(tmp_path: Path) -> list[str]:
    """The lines of a whole export."""
    source = open_database(f"sqlite:///{tmp_path / 'source' / 'forefront.db'}")
    for name in ("one", "two"):
        KeyStore(source).create(NewKey(name=name, project=name))
    export_database(source, tmp_path / "whole.jsonl")
    source.close()
    return (tmp_path / "whole.jsonl").read_text().splitlines(keepends=True)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda lines: lines[:-1], "does not end with the number of its rows, so it is incomplete"),
        (lambda lines: lines[:-2], "does not end with the number"),
        (lambda lines: lines[:1], "does not end with the number"),
        (lambda lines: [*lines[:-1], lines[-1][:-3]], "line 6 is not JSON"),
        (lambda lines: lines[:2] + lines[3:], "has 3 rows, but its last line states 4"),
        (lambda lines: [*lines, lines[1]], "line 7 comes after its end"),
        (lambda lines: lines + lines[-1:], "line 7 comes after its end"),
        (lambda lines: [*lines[:-1], '{"end": "4"}'], "line 6 is not a row"),
    ],
)
def test_an_incomplete_file_is_refused(
    database: Database, exported: list[str], tmp_path: Path, change: Callable[[list[str]], list[str]], message: str
) -> None:
    file = tmp_path / "changed.jsonl"
    file.write_text("".join(change(exported)))
    with pytest.raises(TransferError, match=message):
        import_database(database, file)
    assert KeyStore(database).list_keys() == []
    assert KeyStore(database).list_projects() == []
    file.write_text("".join(exported))
    assert import_database(database, file) == 4


def test_an_export_replaces_the_previous_one_and_is_private(database: Database, tmp_path: Path) -> None:
    KeyStore(database).create(NewKey(name="one"))
    target, link, folder = tmp_path / "to" / "store.jsonl", tmp_path / "link", tmp_path / "to"
    folder.mkdir()
    target.write_text("before")
    target.chmod(0o644)
    link.symlink_to(target)
    with target.open() as before:
        export_database(database, link)
        assert before.read() == "before"
    assert stat.S_IMODE(target.stat().st_mode) == 0o600
    assert link.is_symlink()
    whole = target.read_text()
    assert whole.endswith('\n{"end":2}\n')
    rename(database, "daily_usage", "hidden")
    with pytest.raises(StoreError):
        export_database(database, target)
    assert target.read_text() == whole
    assert list(folder.iterdir()) == [target]


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda row: row | {"input_tokens": None}, "its rows of completions do not fit"),
        (lambda row: row | {"input_tokens": 2**80}, "its rows of completions do not fit"),
        (lambda row: row | {"model": ["m"]}, "its rows of completions do not fit"),
        (lambda row: row | {"id": "c1"}, "its rows of completions do not fit"),
    ],
)
async def test_an_invalid_row_writes_nothing(
    database: Database, tmp_path: Path, change: Callable[[dict[str, Any]], dict[str, Any]], message: str
) -> None:
    source = open_database(f"sqlite:///{tmp_path / 'source' / 'forefront.db'}")
    async with open_gateway(source, prices=PRICES) as fixture:
        principal = await fixture.principal()
        for n in range(2):
            await answer(fixture.gateway.admit(principal, "m", f"c{n}"), 10, 10, 10)
    file = tmp_path / "store.jsonl"
    export_database(source, file)
    source.close()
    lines = [json.loads(line) for line in file.read_text().splitlines()]
    first = next(line for line in lines if isinstance(line, list) and line[0] == "completions")
    first[1] = change(first[1])
    file.write_text("".join(json.dumps(line) + "\n" for line in lines))
    if first[1]["model"] == ["m"] and not database.is_sqlite:
        assert import_database(database, file) == len(lines) - 2  # a text column takes JSON for its text
        return
    with pytest.raises(TransferError, match=message):
        import_database(database, file)
    assert KeyStore(database).list_keys() == []


async def test_progress_is_reported(database: Database, tmp_path: Path) -> None:
    rows = [
        (f"c{n}", "k", "p", "m", "completed", "stop", 1, 0, 1, 0, n % 2 == 0, n, 1.5, None, 1.75) for n in range(2500)
    ]
    with database.write() as connection:
        BulkInsert(completions).insert(connection, rows)
    progress: list[int] = []
    assert export_database(database, tmp_path / "store.jsonl", progress.append) == 2500
    assert progress == [1000, 2000]
    target, progress = open_database(f"sqlite:///{tmp_path / 'other' / 'forefront.db'}"), []
    assert import_database(target, tmp_path / "store.jsonl", progress.append) == 2500
    assert progress == [1000, 2000, 2500]
    with target.read() as connection:
        assert sorted(map(tuple, connection.execute(sa.select(completions)))) == sorted(rows)
    target.close()


def test_an_export_goes_into_a_pipe(database: Database, tmp_path: Path) -> None:
    pipe = tmp_path / "pipe"
    os.mkfifo(pipe)
    with subprocess.Popen(["cat", str(pipe)], stdout=subprocess.PIPE) as reader:
        export_database(database, pipe)
        assert reader.communicate(timeout=20)[0].endswith(b'\n{"end":0}\n')
    assert pipe.is_fifo()


@pytest.mark.parametrize(
    "text", ["", "{}\n", "[1]\n", '{"forefront": "0000"}\n', '{"forefront": "0001"}\n["api_keys", {}]\n']
)
def test_a_non_export_file_is_refused(database: Database, tmp_path: Path, text: str) -> None:
    file = tmp_path / "bad"
    file.write_text(text)
    with pytest.raises(TransferError):
        import_database(database, file)


def test_an_export_of_another_schema_names_the_remedy(database: Database, tmp_path: Path) -> None:
    file = tmp_path / "export.jsonl"
    file.write_text('{"forefront":"0002"}\n{"end":0}\n')
    with pytest.raises(TransferError, match=r"schema 0002, and this one is of 0001: import it with the version"):
        import_database(database, file)
