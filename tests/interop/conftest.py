"""Python clients that other people made, unmodified, at the real server."""

from collections.abc import AsyncIterator, Iterator

import pytest
from openai import AsyncOpenAI, OpenAI

from tests.support.server import RunningServer

# These run in their own environments: `test_python_clients.py`.
collect_ignore = ["python"]


@pytest.fixture(scope="session")
def peer(server: RunningServer) -> Iterator[OpenAI]:
    """The `openai` package, which tries nothing twice."""
    with OpenAI(base_url=f"{server.url}/v1", api_key=server.key, max_retries=0) as client:
        yield client


@pytest.fixture(scope="session")
async def async_peer(server: RunningServer) -> AsyncIterator[AsyncOpenAI]:
    """The same for asynchronous tests."""
    async with AsyncOpenAI(base_url=f"{server.url}/v1", api_key=server.key, max_retries=0) as client:
        yield client
