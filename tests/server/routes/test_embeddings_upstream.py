"""The tests of embeddings and rankings once more: another Forefront server answers for the models."""

from collections.abc import Iterator

import pytest

from tests.server.routes import test_embeddings
from tests.server.routes.test_embeddings import collector
from tests.server.routes.test_embeddings import encoders as upstream_encoders
from tests.support.server import RunningServer
from tests.support.upstreams.front_server import run_in_front_of

__all__ = ["collector", "upstream_encoders"]
pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def encoders(upstream_encoders: RunningServer, tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningServer]:
    """A server before the one with the models, under the same names."""
    with run_in_front_of(upstream_encoders, tmp_path_factory.mktemp("upstream")) as running:
        yield running


for _name, _test in vars(test_embeddings).items():
    if _name.startswith("test_") and _name != "test_requests_are_spans_of_the_clients_trace":
        globals()[_name] = _test
