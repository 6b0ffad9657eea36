"""Forefront itself, by its command and with its default settings."""

from collections.abc import Iterator
from contextlib import contextmanager
from importlib.metadata import version
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Final

from benchmarks.models import FOLDER
from benchmarks.peers.peer import Peer
from tests.support.server import run_server

NAME: Final = "Forefront"


@contextmanager
def run_forefront(model: Path, *, threads: int, log: Path) -> Iterator[Peer]:
    """Serve a GGUF file with `forefront serve`. The packed weights are kept in the cache; the store is new."""
    log.parent.mkdir(parents=True, exist_ok=True)
    with TemporaryDirectory(prefix="forefront-bench-") as folder:
        store = {"FOREFRONT_DATABASE_URL": f"sqlite:///{folder}/forefront.db"}
        arguments = [str(model), "--threads", str(threads)]
        with run_server(arguments, FOLDER / "home", log=log, environment=store) as server:
            yield Peer(NAME, version("forefront"), server.url, server.key, model.stem, server.process.pid)
