"""The tests of the `openai` package and the contract once more: another Forefront server answers for the models."""

from collections.abc import AsyncIterator, Iterator

import pytest
from openai import AsyncOpenAI, OpenAI

from tests.contract import test_server
from tests.interop import test_openai_chat, test_openai_completions, test_openai_errors, test_openai_forms
from tests.support.server import RunningServer
from tests.support.upstreams.front_server import run_in_front_of


@pytest.fixture(scope="module", name="server")
def upstream_server(server: RunningServer, tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningServer]:
    """A server before the usual one, with its models under the same names."""
    with run_in_front_of(server, tmp_path_factory.mktemp("upstream")) as running:
        yield running


@pytest.fixture(scope="module")
def peer(server: RunningServer) -> Iterator[OpenAI]:
    """The `openai` package, which tries nothing twice."""
    with OpenAI(base_url=f"{server.url}/v1", api_key=server.key, max_retries=0) as client:
        yield client


@pytest.fixture(scope="module")
async def async_peer(server: RunningServer) -> AsyncIterator[AsyncOpenAI]:
    """The same for asynchronous tests."""
    async with AsyncOpenAI(base_url=f"{server.url}/v1", api_key=server.key, max_retries=0) as client:
        yield client


for _module in (test_openai_chat, test_openai_completions, test_openai_errors, test_openai_forms, test_server):
    for _name, _test in vars(_module).items():
        if _name.startswith("test_"):
            globals()[f"{_name}_{_module.__name__.rpartition('_')[2]}"] = _test
