"""A retry never pays twice: the answer of a real server is lost on the way, and the next try gets the same one."""

from collections.abc import Iterator

import httpx
import pytest

from forefront import ForefrontClient, MessageParam
from tests.support.server import RunningServer

ASK: list[MessageParam] = [{"role": "user", "content": "Write a recipe for an italian dinner"}]


class LosesFirstAnswer(httpx.HTTPTransport):
    """LosesFirstAnswer the first answer once it has come whole; the server has done its work by then."""

    def __init__(self) -> None:
        super().__init__()
        self.lost: list[bytes] = []

    def handle_request(self, request: httpx.Request) -> httpx.Response:
        response = super().handle_request(request)
        if self.lost:
            return response
        self.lost.append(response.read())
        raise httpx.ReadError("the connection broke")


@pytest.fixture
def losing(server: RunningServer) -> Iterator[tuple[ForefrontClient, LosesFirstAnswer]]:
    transport = LosesFirstAnswer()
    with httpx.Client(transport=transport) as http:
        yield ForefrontClient(server.key, "forefront-mini", server.url, http_client=http), transport


def test_a_lost_answer(losing: tuple[ForefrontClient, LosesFirstAnswer], server: RunningServer) -> None:
    client, transport = losing
    raw = client.chat.completions.with_raw_response.create(messages=ASK, max_tokens=12, temperature=1)
    assert (raw.retries, raw.headers["idempotent-replayed"]) == (1, "true")
    completion = raw.parse()
    assert completion.id.encode() in transport.lost[0]
    assert raw.content == transport.lost[0]
    assert server.get(f"/v1/usage/{completion.id}").json()["output_tokens"] == completion.usage.output_tokens


def test_a_lost_stream(losing: tuple[ForefrontClient, LosesFirstAnswer]) -> None:
    client, transport = losing
    with client.chat.completions.stream(messages=ASK, max_tokens=12, temperature=1) as stream:
        completion = stream.final_completion()
    assert completion.id.encode() in transport.lost[0]
    assert completion.usage.output_tokens == 12
