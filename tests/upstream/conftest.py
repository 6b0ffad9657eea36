"""An upstream that misbehaves on command, and a backend before it."""

from collections.abc import AsyncIterator, Iterator

import pytest

from forefront.upstream.upstream_backend import UpstreamBackend
from tests.support.upstreams.faulty_upstream import FaultyUpstream, run_faulty_upstream
from tests.upstream.backends import open_backend


@pytest.fixture
def upstream() -> Iterator[FaultyUpstream]:
    """A running upstream, which answers well by default."""
    with run_faulty_upstream() as running:
        yield running


@pytest.fixture
async def backend(upstream: FaultyUpstream) -> AsyncIterator[UpstreamBackend]:
    """A backend of this upstream."""
    async with open_backend(upstream.url, key="sk-secret-upstream-key") as opened:
        yield opened
