"""`client.responses` of the SDK against the server: streams, the background, connections that are cut."""

from typing import Any

import pytest

from forefront import AsyncForefrontClient, ForefrontClient, NotFoundError
from forefront.wire.responses.events import OutputTextDelta, ResponseIncomplete
from tests.support.backends.instant import KEY, MODEL, Instant
from tests.support.services.cutting_proxy import cutting_proxy


def test_a_broken_stream_resumes(slow_server: Instant) -> None:
    with cutting_proxy(slow_server.url, [4000, 2500]) as proxy, ForefrontClient(KEY, MODEL, proxy.url) as client:
        events = list(client.responses.create(input="Hi", max_output_tokens=30, stream=True))
        assert proxy.connections == 3
    assert [event.sequence_number for event in events] == list(range(len(events)))
    assert "".join(event.delta for event in events if isinstance(event, OutputTextDelta)) == "word " * 30
    last = events[-1]
    assert isinstance(last, ResponseIncomplete)
    assert last.response.output_text == "word " * 30


def test_stored_responses(slow_server: Instant) -> None:
    with ForefrontClient(KEY, MODEL, slow_server.url) as client:
        made = client.responses.create(input="Hi", max_output_tokens=2, store=True)
        assert client.responses.retrieve(made.id) == made
        again = client.responses.create(input=[*made.output, {"role": "user", "content": "More"}], max_output_tokens=1)
        assert again.output_text == "word "
        [item] = client.responses.input_items(made.id, limit=5, order="asc").data
        assert item.type == "message"
        assert client.responses.delete(made.id).deleted
        with pytest.raises(NotFoundError):
            client.responses.retrieve(made.id)


async def test_the_background(slow_server: Instant) -> None:
    async with AsyncForefrontClient(KEY, MODEL, slow_server.url) as client:
        fields: Any = {"max_output_tokens": 5, "store": True, "background": True}
        stream: Any = await client.responses.create(input="Hi", stream=True, **fields)
        events = [event async for event in stream]
        name = events[0].response.id
        resumed = await client.responses.retrieve(name, stream=True, starting_after=3)
        assert [event async for event in resumed] == events[4:]
        long = await client.responses.create(input="Hi", **fields | {"max_output_tokens": 3000})
        assert (await client.responses.cancel(long.id)).status == "cancelled"
