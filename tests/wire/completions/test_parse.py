"""From a request's bytes to a request: what is accepted, and how everything else is refused."""

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from forefront.wire.completions.message import Message
from forefront.wire.completions.parse import ParsedRequest, parse_chat_request, parse_completion_request
from forefront.wire.completions.request import ChatRequest, CompletionRequest
from forefront.wire.errors import ERRORS, RequestError

USER = {"role": "user", "content": "Hello"}
MISSING = object()
TOOL = {"type": "function", "function": {"name": "f", "description": "d", "parameters": {"type": "object"}}}
FUNCTION = TOOL["function"]
LEGACY = {"name": "f", "arguments": "{}"}
CALL = {"id": "c", "type": "function", "function": {"name": "f", "arguments": "{}"}}
CALLING = {"role": "assistant", "content": None, "tool_calls": [CALL]}
RESULT = {"role": "tool", "tool_call_id": "c", "content": "1"}


def parse(**fields: Any) -> ParsedRequest[ChatRequest]:
    body = {"model": "m", "messages": [USER], **fields}
    return parse_chat_request(
        json.dumps({name: value for name, value in body.items() if value is not MISSING}).encode()
    )


def refusal(**fields: Any) -> RequestError:
    with pytest.raises(RequestError) as caught:
        parse(**fields)
    return caught.value


def test_the_minimal_request() -> None:
    parsed = parse()
    assert parsed == ParsedRequest(ChatRequest(model="m", messages=[Message(role="user", content="Hello")]), ())
    assert parsed.request.stops == []


def test_the_documented_curl_body() -> None:
    parsed = parse_chat_request(b"""{
    "model": "REPLACE_WITH_MODEL_STRING",
    "messages": [
       {
          "role": "user",\x20
          "content": "Write a recipe for an italian dinner"
       }
    ],
    "temperature": 0.1,
    "max_tokens": 128,
}""")
    assert (parsed.request.temperature, parsed.request.max_tokens) == (0.1, 128)


def test_all_fields() -> None:
    fields: dict[str, Any] = {
        "max_tokens": 1, "temperature": 0, "top_p": 1, "top_k": 0, "min_p": 0, "stop": ["a", "b"], "seed": -1, "n": 16,
        "stop_token_ids": [5], "min_tokens": 1,
        "logprobs": True, "top_logprobs": 20, "presence_penalty": -2, "frequency_penalty": 2, "repetition_penalty": 1,
        "logit_bias": {"12": -100}, "stream": True, "stream_options": {"include_usage": True}, "tools": [TOOL],
        "tool_choice": "required", "parallel_tool_calls": False, "reasoning_effort": "low", "deadline_ms": 1000,
        "response_format": {"type": "text"},
    }  # fmt: skip
    others = {"regex", "grammar", "functions", "function_call", "ignore_eos", "model", "messages", "prediction"}
    assert set(fields) | others == set(ChatRequest.__struct_fields__)
    request = parse(**fields).request
    assert request.stops == ["a", "b"]
    assert request.stream_options is not None
    assert request.stream_options.include_usage
    assert parse(stop="x").request.stops == ["x"]


def test_null_equals_an_absent_field() -> None:
    names = set(ChatRequest.__struct_fields__) - {"model", "messages"}
    assert parse(**dict.fromkeys(names)) == parse(tools=None, temeperature=None, foo=None) == parse()


MISSING_PARAMETER = (400, "missing_parameter")
TYPE = (422, "invalid_type")
VALUE = (422, "invalid_value")
UNKNOWN = (422, "unknown_parameter")
UNSUPPORTED = (400, "unsupported_parameter")


@pytest.mark.parametrize(
    ("fields", "kind", "param", "message"),
    [
        ({"model": MISSING}, MISSING_PARAMETER, "model", "`model` is required."),
        ({"model": None}, MISSING_PARAMETER, "model", "`model` is required."),
        ({"model": ""}, VALUE, "model", "`model` must have at least 1 character."),
        ({"model": 3}, TYPE, "model", "`model` must be a string, not an integer."),
        ({"messages": MISSING}, MISSING_PARAMETER, "messages", "`messages` is required."),
        ({"messages": []}, VALUE, "messages", "`messages` must have at least 1 item."),
        ({"messages": [USER] * 4097}, VALUE, "messages", "`messages` must have at most 4096 items."),
        ({"messages": "x"}, TYPE, "messages", "`messages` must be an array, not a string."),
        ({"messages": ["x"]}, TYPE, "messages[0]", "`messages[0]` must be an object, not a string."),
        ({"messages": [None]}, TYPE, "messages[0]", "`messages[0]` must be an object, not null."),
        ({"messages": [USER, {"role": "user"}]}, MISSING_PARAMETER, "messages[1].content", "[1].content` is required."),
        ({"messages": [{"content": "x"}]}, MISSING_PARAMETER, "messages[0].role", "`messages[0].role` is required."),
        (
            {"messages": [USER, USER | {"role": "robot"}]},
            VALUE,
            "messages[1].role",
            "must be `system`, `developer`, `user`, `assistant`, `tool` or `function`, not 'robot'.",
        ),
        ({"messages": [USER | {"role": 1}]}, TYPE, "messages[0].role", "must be a string, not an integer."),
        ({"messages": [USER | {"content": None}]}, MISSING_PARAMETER, "messages[0].content", "is required."),
        ({"messages": [USER | {"content": 1}]}, TYPE, "messages[0].content", "a string or an array, not an integer."),
        (
            {"messages": [USER | {"content": [{"type": "video_url", "video_url": {"url": "x"}}]}]},
            UNSUPPORTED,
            "messages[0].content[0].type",
            "Parts of type 'video_url' are not supported",
        ),
        ({"messages": [USER | {"contents": "x"}]}, UNKNOWN, "messages[0].contents", "did you mean `content`?"),
        ({"messages": [USER | {"tool_calls": [1]}]}, TYPE, "messages[0].tool_calls[0]", "must be an object"),
        ({"messages": [USER | {"tool_calls": [CALL]}]}, VALUE, "messages[0].tool_calls", "Only messages of the assist"),
        ({"messages": [USER | {"tool_call_id": "c"}]}, VALUE, "messages[0].tool_call_id", "Only messages of the role"),
        ({"messages": [USER | {"function_call": {}}]}, MISSING_PARAMETER, "messages[0].function_call.name", "required"),
        ({"messages": [USER | {"function_call": LEGACY}]}, VALUE, "messages[0].function_call", "Only messages of"),
        (
            {"messages": [CALLING | {"function_call": LEGACY}]},
            VALUE, "messages[0].function_call", "both `function_call` and `tool_calls`",
        ),
        (
            {"messages": [USER, {"role": "function", "name": "f", "content": "1"}]},
            VALUE, "messages[1].name", "holds no `function_call` of `f`",
        ),
        ({"messages": [USER, {"role": "function", "content": "1"}]}, MISSING_PARAMETER, "messages[1].name", "required"),
        ({"messages": [USER | {"content": None, "refusal": "No."}]}, MISSING_PARAMETER, "messages[0].content", "req"),
        ({"messages": [USER, RESULT]}, VALUE, "messages[1].tool_call_id", "made no call of the id `c`"),
        ({"messages": [CALLING, RESULT, RESULT]}, VALUE, "messages[2].tool_call_id", "has its result already"),
        ({"messages": [CALLING, USER, RESULT]}, VALUE, "messages[2].tool_call_id", "made no call"),
        (
            {"messages": [CALLING, {"role": "tool", "content": "1"}]},
            MISSING_PARAMETER,
            "messages[1].tool_call_id",
            "is required in a message of the role `tool`",
        ),
        (
            {"messages": [CALLING | {"tool_calls": [CALL, CALL]}]},
            VALUE,
            "messages[0].tool_calls[1].id",
            "there is a call of the id `c` already",
        ),
        ({"max_tokens": 0}, VALUE, "max_tokens", "`max_tokens` must be an integer of at least 1."),
        ({"max_tokens": -2}, VALUE, "max_tokens", "`max_tokens` must be an integer of at least 1."),
        ({"max_tokens": 2**31}, VALUE, "max_tokens", "`max_tokens` must be an integer of at most 2147483647."),
        ({"max_tokens": 10**40}, VALUE, "max_tokens", "`max_tokens` must be an integer of at most 2147483647."),
        ({"max_tokens": -(10**40)}, VALUE, "max_tokens", "`max_tokens` must be an integer of at least 1."),
        ({"max_tokens": 1.5}, TYPE, "max_tokens", "`max_tokens` must be an integer, not a number."),
        ({"max_tokens": "10"}, TYPE, "max_tokens", "`max_tokens` must be an integer, not a string."),
        ({"max_tokens": True}, TYPE, "max_tokens", "`max_tokens` must be an integer, not a boolean."),
        ({"temperature": 2.5}, VALUE, "temperature", "`temperature` must be a number of at most 2."),
        ({"temperature": -0.1}, VALUE, "temperature", "`temperature` must be a number of at least 0."),
        ({"temperature": "hot"}, TYPE, "temperature", "`temperature` must be a number, not a string."),
        ({"temperature": 10**400}, VALUE, "temperature", "`temperature`: number out of range."),
        ({"top_p": -0.5}, VALUE, "top_p", "`top_p` must be a number of at least 0."),
        ({"stop": [1]}, TYPE, "stop[0]", "`stop[0]` must be a string, not an integer."),
        ({"stop": ""}, VALUE, "stop", "`stop` must have at least 1 character."),
        ({"stop": ["a"] * 17}, VALUE, "stop", "`stop` must have at most 16 items."),
        ({"stop": ["a", "b" * 1025]}, VALUE, "stop[1]", "`stop[1]` must have at most 1024 characters."),
        ({"stop": "b" * 1025}, VALUE, "stop", "`stop` must have at most 1024 characters."),
        (
            {"logit_bias": {str(token): 0 for token in range(1025)}},
            VALUE, "logit_bias", "`logit_bias` must have at most 1024 items.",
        ),
        ({"stop": {}}, TYPE, "stop", "`stop` must be a string or an array, not an object."),
        ({"seed": 2**63}, VALUE, "seed", "`seed` must be an integer of at most 9223372036854775807."),
        ({"n": 17}, VALUE, "n", "`n` must be an integer of at most 16."),
        ({"stream": "yes"}, TYPE, "stream", "`stream` must be true or false, not a string."),
        ({"logit_bias": {"a": 1}}, VALUE, "logit_bias", 'must be token ids, such as "1234", not "a".'),
        ({"logit_bias": {"1": 101}}, VALUE, "logit_bias", "at most 100"),
        ({"top_logprobs": 2}, VALUE, "top_logprobs", "`top_logprobs` needs `logprobs` to be true."),
        ({"stream_options": {}}, VALUE, "stream_options", "`stream_options` needs `stream` to be true."),
        (
            {"stream": True, "stream_options": {"includeusage": True}},
            UNKNOWN,
            "stream_options.includeusage",
            "did you mean `include_usage`?",
        ),
        ({"temprature": 1}, UNKNOWN, "temprature", "`temprature` is not a parameter; did you mean `temperature`?"),
        ({"max_token": 1}, UNKNOWN, "max_token", "`max_token` is not a parameter; did you mean `max_tokens`?"),
        ({"temeperature": 1, "temperature": 2}, VALUE, "temeperature", "and `temperature` mean the same"),
        ({"max_completion_tokens": 1, "max_tokens": 2}, VALUE, "max_completion_tokens", "different values"),
        ({"tools": [{}]}, MISSING_PARAMETER, "tools[0].type", "is required."),
        ({"tools": [{"type": "web_search"}]}, UNSUPPORTED, "tools[0].type", "only `function` and `custom` are."),
        ({"tools": [TOOL] * 129}, VALUE, "tools", "at most 128 items"),
        ({"tools": [TOOL, TOOL]}, VALUE, "tools[1].function.name", "Two tools have the name `f`."),
        ({"tools": [TOOL | {"function": {"name": "a b"}}]}, VALUE, "tools[0].function.name", "letters, digits"),
        ({"tools": [TOOL | {"function": {"name": "a" * 129}}]}, VALUE, "tools[0].function.name", "have 1 to 128"),
        (
            {"tools": [TOOL | {"function": {"name": "a", "parameter": {}}}]},
            UNKNOWN,
            "tools[0].function.parameter",
            "did you mean `parameters`?",
        ),
        ({"tool_choice": "required"}, VALUE, "tool_choice", "there are no tools"),
        ({"tool_choice": "some"}, VALUE, "tool_choice", "cannot be 'some'"),
        (
            {"tools": [TOOL], "tool_choice": {"type": "function", "function": {"name": "g"}}},
            VALUE,
            "tool_choice",
            "names `g`, which is not among the tools",
        ),
        ({"response_format": {"type": "xml"}}, VALUE, "response_format.type", "cannot be 'xml'"),
        ({"response_format": {"type": "json_schema"}}, MISSING_PARAMETER, "response_format.json_schema", "is req"),
        ({"response_format": {"type": "json_object"}, "regex": "a"}, VALUE, "regex", "both set the form"),
        ({"min_tokens": 3, "max_tokens": 2}, VALUE, "min_tokens", "at most `max_tokens`"),
        ({"ignore_eos": True, "regex": "a"}, VALUE, "ignore_eos", "cannot be combined with `regex`"),
        ({"ignore_eos": True, "tools": [TOOL]}, VALUE, "ignore_eos", "cannot be combined with `tools`"),
        ({"stop_token_ids": [-1]}, VALUE, "stop_token_ids[0]", "at least 0"),
        ({"store": True}, UNSUPPORTED, "store", "nothing is stored here"),
        ({"functions": [{}]}, MISSING_PARAMETER, "functions[0].name", "required"),
        ({"functions": [FUNCTION], "tools": [TOOL]}, VALUE, "tools", "older form"),
        ({"functions": [FUNCTION], "tool_choice": "auto"}, VALUE, "tool_choice", "older form"),
        ({"function_call": {"name": "f"}}, VALUE, "function_call", "there are no `functions`"),
        ({"functions": [FUNCTION], "function_call": {"name": "g"}}, VALUE, "function_call", "not among the functions"),
        ({"audio": {}}, UNSUPPORTED, "audio", "generate text only"),
        ({"prompt": "x"}, VALUE, "prompt", "`prompt` and `messages` exclude each other"),
        ({"prompt": [1], "messages": MISSING}, TYPE, "prompt", "must be a string here"),
        ({"deadline_ms": 0}, VALUE, "deadline_ms", "at least 1"),
        ({f"unknown{i:04}": i for i in range(65)}, UNKNOWN, "unknown0064", "More than 64 unknown parameters."),
        (
            {"messages": [USER | {f"unknown{i:04}": i} for i in range(65)]},
            UNKNOWN, "messages[64].unknown0064", "More than 64 unknown parameters.",
        ),
    ],
)  # fmt: skip
def test_refusals(fields: dict[str, Any], kind: tuple[int, str], param: str, message: str) -> None:
    error = refusal(**fields)
    assert ((ERRORS[error.code].status, error.code), error.param) == (kind, param)
    assert message in error.message


@pytest.mark.parametrize("body", [b"[]", b'"x"', b"3", b"null", b"true"])
def test_the_body_is_an_object(body: bytes) -> None:
    with pytest.raises(RequestError, match="must be a JSON object") as caught:
        parse_chat_request(body)
    assert (ERRORS[caught.value.code].status, caught.value.code, caught.value.param) == (422, "invalid_type", None)


@pytest.mark.parametrize("number", [b"NaN", b"1e400", b"-Infinity", b"1" * 5000])
def test_numbers_outside_json(number: bytes) -> None:
    body = b'{"model": "m", "messages": [{"role": "user", "content": "x"}], "temperature": ' + number + b"}"
    with pytest.raises(RequestError) as caught:
        parse_chat_request(body)
    assert (ERRORS[caught.value.code].status, caught.value.code) == (400, "invalid_json")


def test_aliases() -> None:
    assert parse(temeperature=1) == parse(temperature=1) == parse(temeperature=1, temperature=1)
    assert parse(max_completion_tokens=5) == parse(max_tokens=5)
    assert refusal(temeperature="x").param == "temperature"


def test_a_tool_is_chosen_by_its_name_alone() -> None:
    tool = {"type": "function", "function": {"name": "get_weather"}}
    named = {"type": "function", "function": {"name": "get_weather"}}
    chosen = parse(tools=[tool], tool_choice="get_weather").request
    assert chosen == parse(tools=[tool], tool_choice=named).request
    assert refusal(tools=[tool, 1, {"function": 1}], tool_choice="get_time").param is not None
    assert refusal(tools=[tool], tool_choice="get_time").param == "tool_choice"


def test_unknown_fields_are_ignored_by_name() -> None:
    parsed = parse(
        messages=[USER, USER | {"refusal_reason": "x"}],
        user="me",
        store=False,
        function_call="auto",
        response_format={"type": "text", "more": 1},
        stream=True,
        stream_options={"include_usage": True, "include_obfuscation": False},
        tools=[],
    )
    assert parsed.ignored == (
        "messages[1].refusal_reason",
        "user",
        "response_format.more",
    )
    assert parsed.request.messages[1] == Message(role="user", content="Hello")


NUMERIC = [
    "max_tokens", "temperature", "top_p", "top_k", "min_p", "seed", "n", "top_logprobs", "presence_penalty",
    "frequency_penalty", "repetition_penalty",
]  # fmt: skip


@given(st.sampled_from(NUMERIC), st.integers() | st.floats(allow_nan=False, allow_infinity=False))
def test_any_number_is_taken_or_refused_by_name(name: str, number: float) -> None:
    try:
        taken = getattr(parse(**{name: number}, logprobs=True).request, name)
    except RequestError as error:
        assert (ERRORS[error.code].status, error.param) == (422, name)
    else:
        assert taken == number


def test_messages_in_parts_and_with_calls() -> None:
    parts = {"role": "user", "content": [{"type": "text", "text": "a"}, {"type": "text", "text": "b"}]}
    request = parse(messages=[parts, CALLING, RESULT]).request
    assert [message.text for message in request.messages] == ["a\nb", "", "1"]
    assert request.messages[1].tool_calls is not None
    assert request.messages[1].tool_calls[0].function.name == "f"


def audio(data: str) -> dict[str, Any]:
    return {"role": "user", "content": [{"type": "input_audio", "input_audio": {"data": data, "format": "wav"}}]}


@pytest.mark.parametrize("place", [0, 2**16 - 1, 2**16, 150_000])
def test_every_character_of_base64_is_checked(place: int) -> None:
    data = "A" * place + "!" + "A" * (150_000 - place)
    assert refusal(messages=[audio(data)]).param == "messages[0].content[0].input_audio.data"
    parse(messages=[audio(data.replace("!", "="))])


def test_a_prompt_is_one_message_of_the_user() -> None:
    assert parse(prompt="Hello", messages=MISSING) == parse()


def test_tools_are_offered_unless_none_may_be_called() -> None:
    assert [tool.function.name for tool in parse(tools=[TOOL]).request.active_tools] == ["f"]
    assert parse(tools=[TOOL], tool_choice="none").request.active_tools == []


def complete(**fields: Any) -> CompletionRequest:
    return parse_completion_request(json.dumps({"model": "m", **fields}).encode()).request


@pytest.mark.parametrize(
    ("prompt", "prompts"),
    [
        ("a", ["a"]),
        ("", [""]),
        (["a", "b"], ["a", "b"]),
        ([1, 2], [[1, 2]]),
        ([[1], [2, 3]], [[1], [2, 3]]),
    ],
)
def test_prompts(prompt: Any, prompts: list[Any]) -> None:
    assert complete(prompt=prompt).prompts == prompts


@pytest.mark.parametrize(
    ("fields", "kind", "param"),
    [
        ({}, MISSING_PARAMETER, "prompt"),
        ({"prompt": 1}, TYPE, "prompt"),
        ({"prompt": []}, VALUE, "prompt"),
        ({"prompt": ["a", 1]}, TYPE, "prompt"),
        ({"prompt": [[-1]]}, VALUE, "prompt[0][0]"),
        ({"prompt": ["a"] * 257}, VALUE, "prompt"),
        ({"prompt": "a", "suffix": "b"}, UNSUPPORTED, "suffix"),
        ({"prompt": "a", "best_of": 2}, UNSUPPORTED, "best_of"),
        ({"prompt": "a", "max_tokens": 0}, VALUE, "max_tokens"),
        ({"prompt": "a", "logprobs": 21}, VALUE, "logprobs"),
        ({"prompt": "a", "messages": []}, None, None),
    ],
)
def test_refused_completions(fields: dict[str, Any], kind: tuple[int, str] | None, param: str | None) -> None:
    if kind is None:
        assert complete(**fields).prompts == ["a"]
        return
    with pytest.raises(RequestError) as caught:
        complete(**fields)
    assert ((ERRORS[caught.value.code].status, caught.value.code), caught.value.param) == (kind, param)
