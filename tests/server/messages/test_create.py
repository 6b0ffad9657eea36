"""`POST /v1/messages` by the `anthropic` client and against its types, whole and streamed."""

import json
from collections.abc import Iterator
from typing import Any

import anthropic
import pytest
from anthropic.types import Message, RawMessageStreamEvent
from pydantic import TypeAdapter

from tests.support.pauses import without_pauses
from tests.support.server import RunningServer

EVENT: TypeAdapter[RawMessageStreamEvent] = TypeAdapter(RawMessageStreamEvent)
WEATHER: dict[str, Any] = {
    "name": "get_weather",
    "description": "Get the weather of a city",
    "input_schema": {"type": "object", "properties": {"city": {"type": "string"}}, "required": ["city"]},
}
HELLO: list[Any] = [{"role": "user", "content": "Hello"}]
QUESTION: Any = {"role": "user", "content": "What is the weather like in Rome?"}


@pytest.fixture(scope="module")
def client(server: RunningServer) -> Iterator[anthropic.Anthropic]:
    with anthropic.Anthropic(base_url=server.url, api_key=server.key, max_retries=0) as opened:
        yield opened


def create(server: RunningServer, **fields: Any) -> dict[str, Any]:
    """The message's JSON, which fits the client's types strictly."""
    with server.client() as http:
        answer = http.post("/v1/messages", json={"model": "tiny", "max_tokens": 4, "messages": HELLO} | fields)
    assert answer.status_code == 200, answer.text
    body: dict[str, Any] = answer.json()
    Message.model_validate(body)
    return body


def stream(server: RunningServer, **fields: Any) -> list[dict[str, Any]]:
    """The events of a stream, each of which fits the client's types strictly."""
    body = {"model": "tiny", "max_tokens": 4, "messages": HELLO, "stream": True} | fields
    with server.client() as http:
        text = http.post("/v1/messages", json=body).text
    blocks = [block.split("\n") for block in without_pauses(text).split("\n\n") if block]
    events = [json.loads(data.removeprefix("data: ")) for _, data in blocks]
    assert [name.removeprefix("event: ") for name, _ in blocks] == [event["type"] for event in events]
    events = [event for event in events if event["type"] != "ping"]
    for event in events:
        EVENT.validate_python(event)
    return events


def test_a_whole_message(server: RunningServer) -> None:
    body = create(server, system=[{"type": "text", "text": "Be brief"}], tools=[WEATHER], tool_choice={"type": "none"})
    assert body["id"].startswith("msg_")
    assert (body["type"], body["role"], body["model"]) == ("message", "assistant", "tiny")
    assert (body["stop_reason"], body["stop_sequence"]) == ("max_tokens", None)
    assert [block["type"] for block in body["content"]] == ["text"]
    assert body["usage"]["output_tokens"] == 4
    assert body["receipt"]["sampling"]["max_tokens"] == 4
    row = server.get(f"/v1/usage/{body['id']}").json()
    assert row["output_tokens"] == 4
    assert row["input_tokens"] == body["usage"]["input_tokens"] + body["usage"]["cache_read_input_tokens"]


def test_a_stream_is_the_whole_message_in_pieces(server: RunningServer) -> None:
    whole, events = create(server, seed=7), stream(server, seed=7)
    deltas = [event["delta"]["text"] for event in events if event["type"] == "content_block_delta"]
    assert [event["type"] for event in events] == [
        "message_start", "content_block_start", *["content_block_delta"] * len(deltas), "content_block_stop",
        "message_delta", "message_stop",
    ]  # fmt: skip
    assert "".join(deltas) == whole["content"][0]["text"]
    begin, end = events[0]["message"], events[-2]
    assert (begin["content"], begin["stop_reason"], begin["usage"]["output_tokens"]) == ([], None, 0)
    assert end["delta"] == {"stop_reason": "max_tokens", "stop_sequence": None}
    assert end["usage"]["output_tokens"] == 4


def test_the_cache_is_in_the_usage(server: RunningServer) -> None:
    block = {"type": "text", "text": "word " * 200, "cache_control": {"type": "ephemeral"}}
    long = [{"role": "user", "content": [block]}]
    first, second = (create(server, messages=long)["usage"] for _ in range(2))
    assert second["cache_read_input_tokens"] > 0
    assert second["cache_creation_input_tokens"] == 0
    counts = [usage["input_tokens"] + usage["cache_read_input_tokens"] for usage in (first, second)]
    with server.client() as http:
        counted = http.post("/v1/messages/count_tokens", json={"model": "tiny", "messages": long})
    assert counts == [counted.json()["input_tokens"]] * 2
    assert counted.headers["x-ignored-params"] == "cache_control"


def test_the_stop_sequence_that_matched(server: RunningServer) -> None:
    text = create(server, max_tokens=40, temperature=0)["content"][0]["text"]
    stop = text[8:10]
    for body in (
        create(server, max_tokens=40, temperature=0, stop_sequences=["never there", stop]),
        stream(server, max_tokens=40, temperature=0, stop_sequences=["never there", stop])[-2]["delta"],
    ):
        assert (body["stop_reason"], body["stop_sequence"]) == ("stop_sequence", stop)


@pytest.mark.parametrize("choice", [{"type": "any"}, {"type": "tool", "name": "get_weather"}, {"type": "auto"}])
def test_a_tool_round(client: anthropic.Anthropic, choice: Any) -> None:
    fields: dict[str, Any] = {"model": "forefront-mini", "max_tokens": 100, "tools": [WEATHER]}
    fields["extra_body"] = {"temperature": 0}
    whole = client.messages.create(**fields, tool_choice=choice, messages=[QUESTION])
    with client.messages.stream(**fields, tool_choice=choice, messages=[QUESTION]) as streamed:
        message = streamed.get_final_message()
    assert message.stop_reason == whole.stop_reason == "tool_use"
    call, same = message.content[-1], whole.content[-1]
    assert call.type == same.type == "tool_use"
    assert (call.name, call.input) == (same.name, same.input)
    assert call.id.startswith("toolu_")
    result: Any = {"type": "tool_result", "tool_use_id": call.id, "content": [{"type": "text", "text": "sunny"}]}
    history: Any = [QUESTION, message.to_param(), {"role": "user", "content": [result]}]
    answer = client.messages.create(**fields, messages=history)
    assert answer.content[0].type == "text"
    assert answer.content[0].text


@pytest.mark.parametrize("streamed", [False, True])
def test_the_tool_runner_goes_on_without_a_thread(client: anthropic.Anthropic, streamed: bool) -> None:
    """It asks for a conversation on the server, and sends the whole of it where the server has none."""
    asked = []

    @anthropic.beta_tool
    def get_weather(city: str) -> str:
        """Get the weather of a city

        Args:
            city: The city
        """
        asked.append(city)
        return "21 degrees, sunny"

    runner: Any = client.beta.messages.tool_runner(
        model="forefront-mini",
        max_tokens=100,
        messages=[QUESTION],
        tools=[get_weather],
        stream=streamed,
        extra_body={"temperature": 0},
    )
    final = runner.until_done()
    assert asked == ["Rome"]
    assert final.stop_reason == "end_turn"
    assert "21" in final.content[0].text


async def test_the_asynchronous_client(server: RunningServer) -> None:
    async with anthropic.AsyncAnthropic(base_url=server.url, auth_token=server.key, api_key=None) as client:
        fields: dict[str, Any] = {"model": "tiny", "max_tokens": 6, "messages": HELLO, "extra_body": {"seed": 3}}
        whole = await client.messages.create(**fields)
        async with client.messages.stream(**fields) as streamed:
            text = "".join([piece async for piece in streamed.text_stream])
            final = await streamed.get_final_message()
    assert whole.content[0].type == "text"
    assert whole.content[0].text == text
    assert final.usage.output_tokens == 6


def test_the_form_of_the_text(client: anthropic.Anthropic) -> None:
    schema = {
        "type": "object",
        "properties": {"name": {"type": "string", "maxLength": 8}, "age": {"type": "integer"}},
        "required": ["name", "age"],
        "additionalProperties": False,
    }
    form: Any = {"format": {"type": "json_schema", "schema": schema}}
    message = client.messages.create(model="tiny", max_tokens=60, messages=HELLO, output_config=form)
    assert message.content[0].type == "text"
    assert json.loads(message.content[0].text).keys() == {"name", "age"}


def test_counting_and_models(client: anthropic.Anthropic) -> None:
    counted = client.messages.count_tokens(model="tiny", messages=HELLO, system="Be brief", tools=[])
    assert counted.input_tokens > client.messages.count_tokens(model="tiny", messages=HELLO).input_tokens > 0
    assert client.beta.messages.create(model="tiny", messages=HELLO, max_tokens=2, betas=["a-2025-01-01"]).content
    assert [model.id for model in client.models.list(limit=1)] == [model.id for model in client.models.list()]
    model = client.models.retrieve("tiny")
    assert (model.type, model.display_name, model.max_input_tokens) == ("model", "tiny", 2048)
    page = client.models.list(limit=1, before_id="tiny")
    assert [model.id for model in page.data] == ["forefront-mini"]


def test_headers(client: anthropic.Anthropic) -> None:
    raw = client.messages.with_raw_response.create(model="tiny", max_tokens=2, messages=HELLO)
    assert raw.parse()._request_id == raw.headers["request-id"] == raw.headers["x-request-id"]


@pytest.mark.parametrize(
    ("fields", "kind", "name"),
    [
        ({"model": "none"}, anthropic.NotFoundError, "not_found_error"),
        ({"extra_body": {"temperature": 9}}, anthropic.BadRequestError, "invalid_request_error"),
        ({"extra_body": {"max_tokens": 10**6}}, anthropic.BadRequestError, "invalid_request_error"),
        ({"extra_headers": {"authorization": "Bearer wrong"}}, anthropic.AuthenticationError, "authentication_error"),
        ({"extra_headers": {"content-type": "text/plain"}}, anthropic.APIStatusError, "invalid_request_error"),
    ],
)
@pytest.mark.parametrize("streamed", [False, True])
def test_errors(
    client: anthropic.Anthropic, fields: dict[str, Any], kind: type[anthropic.APIStatusError], name: str, streamed: bool
) -> None:
    arguments: dict[str, Any] = {"model": "tiny", "max_tokens": 2, "messages": HELLO} | fields
    with pytest.raises(kind) as caught:
        client.messages.create(**arguments, stream=streamed)
    body: Any = caught.value.body
    assert set(body) == {"type", "error", "request_id"}
    assert (body["type"], body["error"]["type"], set(body["error"])) == ("error", name, {"type", "message"})
    assert body["request_id"] == caught.value.request_id


def test_an_image_needs_a_model_that_reads_it(client: anthropic.Anthropic) -> None:
    source = {"type": "base64", "media_type": "image/png", "data": "aGk="}
    messages: Any = [{"role": "user", "content": [{"type": "image", "source": source}]}]
    message = r"`messages\[0\].content\[0\].type`: This model reads text alone: it cannot read images."
    with pytest.raises(anthropic.BadRequestError, match=message):
        client.messages.create(model="tiny", max_tokens=2, messages=messages)
    with pytest.raises(anthropic.BadRequestError, match=message):
        client.messages.count_tokens(model="tiny", messages=messages)


@pytest.mark.parametrize("path", ["/v1/models", "/v1/models/none", "/v1/messages/batches"])
def test_errors_of_other_paths_have_the_same_form(server: RunningServer, path: str) -> None:
    with server.client(headers={"authorization": "", "anthropic-version": "2023-06-01"}) as http:
        unknown = http.get(path)
        known = http.get(path, headers={"x-api-key": server.key})
        bad = http.get("/v1/models?limit=0", headers={"x-api-key": server.key})
    assert (unknown.status_code, unknown.json()["error"]["type"]) == (401, "authentication_error")
    assert known.status_code == (200 if path == "/v1/models" else 404)
    assert (bad.status_code, bad.json()["error"]["message"]) == (400, "`limit` must be an integer from 1 to 1000.")


def test_a_retry_gets_the_same_message(server: RunningServer) -> None:
    with server.client() as http:
        for streamed in (False, True):
            http.headers["idempotency-key"] = f"messages-{streamed}"
            body = {"model": "tiny", "messages": HELLO, "max_tokens": 3, "stream": streamed}
            first, second = (http.post("/v1/messages", json=body) for _ in range(2))
            assert first.content == second.content
            assert "idempotent-replayed" in second.headers
