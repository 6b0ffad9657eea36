"""A store as one file: all of it or nothing, readable by its owner alone; from and into both databases."""

import os
import stat
import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest

from forefront.gateway.database import Database, StoreError, open_database
from forefront.gateway.keys import KeyStore
from forefront.gateway.money import Price
from forefront.gateway.transfer import TransferError, read_into, write_out
from forefront.wire.admin import Budget, NewKey
from tests.gateway.helpers import answer, open_desk, rename

PRICES = {"m": Price.per_million(1.0, 4.0, cached=0.5)}


async def test_a_store_moves_from_one_database_to_the_other(database: Database, tmp_path: Path) -> None:
    async with open_desk(database, prices=PRICES) as desk:
        principal = await desk.principal(NewKey(name="b", project="shop", models=["m"], budget=Budget(tokens=500)))
        for n in range(5):
            await answer(desk.gateway.admit(principal, "m", f"c{n}"), 10, 10, 10)
    file = tmp_path / "store.jsonl"
    assert write_out(database, file) > 5
    target = open_database(f"sqlite:///{tmp_path / 'other' / 'forefront.db'}")
    assert read_into(target, file) == write_out(target, tmp_path / "again.jsonl")
    assert (tmp_path / "again.jsonl").read_text() == file.read_text()
    with pytest.raises(TransferError, match="in use"):
        read_into(target, file)
    target.close()


@pytest.fixture
def exported(tmp_path: Path) -> list[str]:
    """The lines of a whole export."""
    source = open_database(f"sqlite:///{tmp_path / 'source' / 'forefront.db'}")
    for name in ("one", "two"):
        KeyStore(source).create(NewKey(name=name, project=name))
    write_out(source, tmp_path / "whole.jsonl")
    source.close()
    return (tmp_path / "whole.jsonl").read_text().splitlines(keepends=True)


@pytest.mark.parametrize(
    ("change", "says"),
    [
        (lambda lines: lines[:-1], "does not end with the number of its rows: it was cut, or a version"),
        (lambda lines: lines[:-2], "does not end with the number"),
        (lambda lines: lines[:1], "does not end with the number"),
        (lambda lines: [*lines[:-1], lines[-1][:-3]], "line 6 is not JSON"),
        (lambda lines: lines[:2] + lines[3:], "has 3 rows and not 4"),
        (lambda lines: [*lines, lines[1]], "line 7 comes after its end"),
        (lambda lines: lines + lines[-1:], "line 7 comes after its end"),
        (lambda lines: [*lines[:-1], '{"end": "4"}'], "line 6 is not a row"),
    ],
)
def test_a_file_that_is_not_whole_is_refused(
    database: Database, exported: list[str], tmp_path: Path, change: Callable[[list[str]], list[str]], says: str
) -> None:
    file = tmp_path / "changed.jsonl"
    file.write_text("".join(change(exported)))
    with pytest.raises(TransferError, match=says):
        read_into(database, file)
    assert KeyStore(database).list_keys() == []
    assert KeyStore(database).list_projects() == []
    file.write_text("".join(exported))
    assert read_into(database, file) == 4


def test_an_export_takes_the_place_of_the_one_before_and_is_its_owners_alone(
    database: Database, tmp_path: Path
) -> None:
    KeyStore(database).create(NewKey(name="one"))
    target, link, folder = tmp_path / "to" / "store.jsonl", tmp_path / "link", tmp_path / "to"
    folder.mkdir()
    target.write_text("before")
    target.chmod(0o644)
    link.symlink_to(target)
    with target.open() as before:
        write_out(database, link)
        assert before.read() == "before"
    assert stat.S_IMODE(target.stat().st_mode) == 0o600
    assert link.is_symlink()
    whole = target.read_text()
    assert whole.endswith('\n{"end":2}\n')
    rename(database, "days", "hidden")
    with pytest.raises(StoreError):
        write_out(database, target)
    assert target.read_text() == whole
    assert list(folder.iterdir()) == [target]


def test_an_export_goes_into_a_pipe(database: Database, tmp_path: Path) -> None:
    pipe = tmp_path / "pipe"
    os.mkfifo(pipe)
    with subprocess.Popen(["cat", str(pipe)], stdout=subprocess.PIPE) as reader:
        write_out(database, pipe)
        assert reader.communicate(timeout=20)[0].endswith(b'\n{"end":0}\n')
    assert pipe.is_fifo()


@pytest.mark.parametrize(
    "text", ["", "{}\n", "[1]\n", '{"forefront": "0000"}\n', '{"forefront": "0002"}\n["keys", {}]\n']
)
def test_a_file_that_is_no_export_is_refused(database: Database, tmp_path: Path, text: str) -> None:
    file = tmp_path / "bad"
    file.write_text(text)
    with pytest.raises(TransferError):
        read_into(database, file)
