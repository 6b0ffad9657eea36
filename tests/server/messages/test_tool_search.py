"""Tools that the model reads once a search of the client has found them, as Claude Code sends them."""

from typing import Any

import pytest

from tests.support.server import RunningServer

CITY = {"type": "object", "properties": {"city": {"type": "string"}}, "required": ["city"]}
SEARCH: dict[str, Any] = {"name": "ToolSearch", "input_schema": {"type": "object"}}
WEATHER: dict[str, Any] = {"name": "get_weather", "description": "Get the weather of a city", "input_schema": CITY}
DEFERRED = WEATHER | {"defer_loading": True}
DEFERRED_SEARCH = SEARCH | {"defer_loading": True}
QUESTION = {"role": "user", "content": "What is the weather in Rome?"}
FOUND = [
    {"role": "assistant", "content": [{"type": "tool_use", "id": "t1", "name": "ToolSearch", "input": {}}]},
    {
        "role": "user",
        "content": [
            {
                "type": "tool_result",
                "tool_use_id": "t1",
                "content": [{"type": "tool_reference", "tool_name": "get_weather"}],
            }
        ],
    },
]
# Claude Code's, beside the tools.
THINKING = {"type": "adaptive", "display": "updates"}


def send(server: RunningServer, path: str, **fields: Any) -> dict[str, Any]:
    body = {"model": "forefront-mini", "messages": [QUESTION], "thinking": THINKING} | fields
    with server.client() as client:
        answer = client.post(path, json=body)
    assert answer.status_code == 200, answer.text
    made: dict[str, Any] = answer.json()
    return made


def count(server: RunningServer, **fields: Any) -> int:
    return int(send(server, "/v1/messages/count_tokens", **fields)["input_tokens"])


def test_a_deferred_tool_is_not_in_the_prompt_until_a_result_refers_to_it(server: RunningServer) -> None:
    alone = count(server, tools=[SEARCH])
    assert count(server, tools=[DEFERRED, SEARCH]) == alone < count(server, tools=[WEATHER, SEARCH])
    found = [QUESTION, *FOUND]
    assert count(server, messages=found, tools=[DEFERRED, SEARCH]) == count(
        server, messages=found, tools=[WEATHER, SEARCH]
    )


@pytest.mark.parametrize(
    ("messages", "choice"),
    [([QUESTION], {"type": "tool", "name": "get_weather"}), ([QUESTION, *FOUND], {"type": "any"})],
)
def test_a_named_or_found_tool_is_called(server: RunningServer, messages: list[Any], choice: dict[str, Any]) -> None:
    # The only tool that is loaded, so the model can call no other.
    fields = {"max_tokens": 100, "messages": messages, "tools": [DEFERRED_SEARCH, DEFERRED], "tool_choice": choice}
    made = send(server, "/v1/messages", **fields)
    assert [block["name"] for block in made["content"] if block["type"] == "tool_use"] == ["get_weather"]


def refusal(server: RunningServer, **fields: Any) -> tuple[int, str]:
    """The status and the message of an error."""
    body = {"model": "forefront-mini", "max_tokens": 4, "messages": [QUESTION]} | fields
    with server.client() as client:
        answer = client.post("/v1/messages", json=body)
    return answer.status_code, answer.json()["error"]["message"]


def test_a_reference_to_a_tool_that_is_not_sent_is_an_error(server: RunningServer) -> None:
    status, message = refusal(server, messages=[QUESTION, *FOUND], tools=[SEARCH])
    assert status == 400
    assert "`messages[2].content[0].content[0].tool_name`" in message
    assert "get_weather" in message


def test_a_choice_of_any_tool_needs_a_loaded_one(server: RunningServer) -> None:
    status, message = refusal(server, tools=[DEFERRED], tool_choice={"type": "any"})
    assert (status, "no loaded tools" in message) == (400, True)


def test_names_of_deferred_tools_differ(server: RunningServer) -> None:
    status, message = refusal(server, tools=[DEFERRED, SEARCH, DEFERRED])
    assert status == 400
    assert "`tools[2].name`" in message


def test_the_number_of_loaded_tools_is_bounded(server: RunningServer) -> None:
    deferred = [DEFERRED_SEARCH | {"name": f"deferred_{number}"} for number in range(4095)]
    assert count(server, tools=[SEARCH, *deferred]) == count(server, tools=[SEARCH])
    status, message = refusal(server, tools=[SEARCH, WEATHER, *deferred])
    assert (status, "4096" in message) == (400, True)
    loaded = [SEARCH | {"name": f"loaded_{number}"} for number in range(129)]
    status, message = refusal(server, tools=loaded)
    assert (status, "128 loaded tools" in message) == (400, True)


def test_errors_name_the_place_of_a_tool_in_the_request(server: RunningServer) -> None:
    status, message = refusal(server, tools=[DEFERRED, SEARCH, SEARCH])
    assert status == 400
    assert "`tools[2].name`" in message
