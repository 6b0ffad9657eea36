"""Each test that takes `database` runs on both kinds."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from forefront.gateway.store.database import Database, open_database
from tests.support.programs.postgres import new_database


@pytest.fixture(params=["sqlite", "postgres"])
def database_url(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    """The URL of an empty database."""
    if request.param == "sqlite":
        return f"sqlite:///{tmp_path / 'store' / 'forefront.db'}"
    return new_database(request.getfixturevalue("postgres"))


@pytest.fixture
def database(database_url: str) -> Iterator[Database]:
    """An open store."""
    opened = open_database(database_url)
    yield opened
    opened.close()
