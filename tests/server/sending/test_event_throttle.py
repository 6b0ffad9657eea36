"""Events apart in time, for clients that take one network read for one event."""

import itertools
import time

from starlette.types import Scope

from forefront.server.sending.event_throttle import GAP, throttled


def _scope(agent: str) -> Scope:
    return {"type": "http", "headers": [(b"user-agent", agent.encode())]}


async def test_events_for_a_bare_fetch_are_apart() -> None:
    sent: list[tuple[bytes, float]] = []

    async def send(body: bytes) -> None:
        sent.append((body, time.monotonic()))

    send_throttled = throttled(_scope("node"), send)
    for body in (b"a", b"b", b"c"):
        await send_throttled(body)
    assert [body for body, _ in sent] == [b"a", b"b", b"c"]
    times = [at for _, at in sent]
    assert min(later - earlier for earlier, later in itertools.pairwise(times)) >= GAP * 0.99


async def test_other_clients_get_events_at_once() -> None:
    async def send(body: bytes) -> None:
        raise AssertionError

    for agent in ("python-httpx/0.28", "OpenAI/JS 4.104.0", "forefront-node/0.1.0", ""):
        assert throttled(_scope(agent), send) is send
