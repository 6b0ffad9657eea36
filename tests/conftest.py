"""What many tests share: a tiny random model, and a real server over real HTTP."""

from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import pytest

from forefront.catalog.sources.source import BUILT_IN_PATH
from forefront.chat.local.loading import ModelParts
from tests.support.models.loaded import load_parts, write_ir
from tests.support.models.random_model import END, write_random_gguf
from tests.support.programs.node import build, build_pages, install_peers, make_project
from tests.support.programs.postgres import run_postgres
from tests.support.programs.redis import RedisServer, run_redis
from tests.support.server import RunningServer, run_server


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Put files with many slow tests first: with several processes, none is left with them at the end."""
    slow = Counter(item.path for item in items if item.get_closest_marker("slow"))
    items.sort(key=lambda item: -slow[item.path])


@pytest.fixture(scope="session")
def tiny_gguf(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A Llama of a few hundred thousand random weights: it never ends an answer by itself."""
    path = tmp_path_factory.mktemp("models") / "tiny.gguf"
    write_random_gguf(path)
    return path


@pytest.fixture(scope="session")
def tiny_parts(tiny_gguf: Path, tmp_path_factory: pytest.TempPathFactory) -> ModelParts:
    """The tiny model, read."""
    return load_parts(tiny_gguf, tmp_path_factory.mktemp("home"))


@pytest.fixture(scope="session")
def mini_parts(tmp_path_factory: pytest.TempPathFactory) -> ModelParts:
    """The built-in model, read."""
    return load_parts(BUILT_IN_PATH, tmp_path_factory.mktemp("home"))


@pytest.fixture(scope="session")
def tiny_directory(tiny_gguf: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The tiny model in OpenVINO's IR form."""
    return write_ir(tiny_gguf, tmp_path_factory.mktemp("ir"), context=2048, end=END)


@pytest.fixture(scope="session")
def server(tiny_gguf: Path, web_pages: None, tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningServer]:
    """`forefront serve` with the built-in model and the tiny one, as a user would start it."""
    with run_server(["forefront-mini", f"tiny={tiny_gguf}"], tmp_path_factory.mktemp("served")) as running:
        yield running


@pytest.fixture(scope="session")
def web_pages() -> None:
    """The web pages, built where npm is installed. A server reads them when it starts."""
    build_pages()


@pytest.fixture(scope="session")
def node_sdk() -> Path:
    """The folder of the Node SDK, built."""
    return build()


@pytest.fixture(scope="session")
def node_project(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A project that has nothing but the Node SDK."""
    return make_project(tmp_path_factory.mktemp("node"))


@pytest.fixture(scope="session")
def node_peers() -> Path:
    """The folder of other people's Node clients, installed."""
    return install_peers()


@pytest.fixture(scope="session")
def postgres() -> Iterator[str]:
    """The URL of a running PostgreSQL."""
    with run_postgres() as url:
        yield url


@pytest.fixture
def redis_server() -> Iterator[RedisServer]:
    """A running, empty Redis."""
    with run_redis() as running:
        yield running
