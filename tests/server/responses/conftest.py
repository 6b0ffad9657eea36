"""A server whose backend answers at once, or slowly enough to be watched, on its own store."""

from collections.abc import Iterator

import openai
import pytest

from forefront.cli.settings.config import Config
from tests.support.backends.instant import KEY, Instant, Nursery


@pytest.fixture(scope="module")
def slow_server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Instant]:
    """A server that takes 10 ms for each token."""
    folder = tmp_path_factory.mktemp("slow")
    with Nursery().serve(f"sqlite:///{folder / 'f.db'}", folder / "log", settings=Config(), pause=0.01) as server:
        yield server


@pytest.fixture(scope="module")
def slow_client(slow_server: Instant) -> Iterator[openai.OpenAI]:
    """The `openai` client of that server."""
    with openai.OpenAI(base_url=f"{slow_server.url}/v1", api_key=KEY, max_retries=0) as opened:
        yield opened
