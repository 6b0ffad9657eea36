"""The event loop's turn on a busy machine."""

import os

import pytest

from forefront.server.loop_latency import SLICE, slice_of
from tests.support.server import RunningServer


@pytest.mark.skipif(not slice_of(0), reason="the system knows no slices of threads")
def test_the_event_loop_alone_has_a_short_slice(server: RunningServer) -> None:
    server.get("/health").raise_for_status()
    main = server.process.pid
    slices = {int(thread): slice_of(int(thread)) for thread in os.listdir(f"/proc/{main}/task")}
    assert slices.pop(main) == SLICE
    assert slices
    assert SLICE not in slices.values()
