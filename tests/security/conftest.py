"""Servers for these tests: one on each kind of database."""

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from tests.cli.settings.test_config import make_pair
from tests.support.programs.postgres import new_database
from tests.support.server import RunningServer, run_server


@dataclass
class Stored:
    """A running server, and the URL of its store."""

    server: RunningServer
    database_url: str


@pytest.fixture(scope="session", params=["sqlite", "postgres"])
def stored(
    request: pytest.FixtureRequest, tiny_gguf: Path, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Stored]:
    """`forefront serve` with the tiny model, on SQLite and on PostgreSQL."""
    home = tmp_path_factory.mktemp("stored") / request.param
    url = f"sqlite:///{home / 'store.db'}"
    if request.param == "postgres":
        url = new_database(request.getfixturevalue("postgres"))
    variables = {"FOREFRONT_DATABASE_URL": url, "FOREFRONT_LOG_FORMAT": "json"}
    with run_server([f"tiny={tiny_gguf}"], home, environment=variables) as running:
        yield Stored(running, url)


@pytest.fixture(scope="session")
def tls(tiny_gguf: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[RunningServer, Path]]:
    """A server with TLS, and its certificate."""
    folder = tmp_path_factory.mktemp("tls")
    certificate, key = make_pair(folder / "pair")
    variables = {"FOREFRONT_SERVER_TLS_CERTIFICATE": str(certificate), "FOREFRONT_SERVER_TLS_KEY": str(key)}
    with run_server([f"tiny={tiny_gguf}"], folder / "home", environment=variables) as running:
        yield running, certificate
