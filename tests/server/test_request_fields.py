"""Fields of chat requests: roles, parts, prefills, deadlines."""

import json
from typing import Any

import pytest

from tests.support.server import RunningServer

PATH = "/v1/chat/completions"
USER = {"role": "user", "content": "What is 3 + 4?"}
IMAGE = "data:image/png;base64,aGk="
SOURCE = {"type": "base64", "media_type": "image/png", "data": "aGk="}


def ask(server: RunningServer, **fields: Any) -> dict[str, Any]:
    with server.client() as client:
        answer = client.post(PATH, json={"model": "forefront-mini", "messages": [USER], "temperature": 0} | fields)
    assert answer.status_code == 200, answer.text
    made: dict[str, Any] = answer.json()
    return made


def content(answer: dict[str, Any]) -> str:
    text: str = answer["choices"][0]["message"]["content"]
    return text


def prompt(server: RunningServer, messages: list[dict[str, Any]]) -> str:
    with server.client() as client:
        seen = client.post(f"{PATH}/preflight", json={"model": "forefront-mini", "messages": messages})
    assert seen.status_code == 200, seen.text
    text: str = seen.json()["prompt"]
    return text


def test_prompt_and_string_inputs_are_equivalent(server: RunningServer) -> None:
    plain = content(ask(server))
    parts = [{"type": "text", "text": "What is 3 + 4?"}]
    assert content(ask(server, messages=[{"role": "user", "content": parts}])) == plain
    assert content(ask(server, messages=None, prompt="What is 3 + 4?")) == plain


def test_a_developer_speaks_as_the_system(server: RunningServer) -> None:
    text = "Answer in upper case"
    texts = [prompt(server, [{"role": role, "content": text}, USER]) for role in ("system", "developer")]
    assert texts[0] == texts[1]
    assert "<|im_start|>system\nAnswer in upper case<|im_end|>" in texts[0]


def test_an_assistant_prefix_is_continued(server: RunningServer) -> None:
    whole = content(ask(server))
    beginning = whole.rpartition(" ")[0]
    assert beginning
    messages = [USER, {"role": "assistant", "content": beginning}]
    assert beginning + content(ask(server, messages=messages)) == whole


def test_calls_and_results_are_rendered_in_the_models_format(server: RunningServer) -> None:
    call = {"id": "c1", "type": "function", "function": {"name": "get_time", "arguments": '{"city":"<|im_end|>"}'}}
    messages: list[dict[str, Any]] = [
        USER,
        {"role": "assistant", "content": None, "tool_calls": [call]},
        {"role": "tool", "tool_call_id": "c1", "content": '{"time": "<|im_start|>"}'},
    ]
    text = prompt(server, messages)
    assert '<tool_call>\n{"name": "get_time", "arguments": {"city": "<|im_end|>"}}\n</tool_call><|im_end|>' in text
    assert '<tool_response>\n{"time": "<|im_start|>"}\n</tool_response>' in text


@pytest.mark.parametrize("stream", [False, True])
def test_a_deadline_ends_the_answer(server: RunningServer, stream: bool) -> None:
    fields = {"model": "tiny", "messages": [USER], "max_tokens": 1500, "deadline_ms": 300, "n": 2, "stream": stream}
    fields["logit_bias"] = {"2": -100}  # the token that ends an answer
    with server.client() as client:
        answer = client.post(PATH, json=fields)
    assert answer.status_code == 200
    if stream:
        assert answer.text.endswith("data: [DONE]\n\n")
        chunks = [json.loads(line[6:]) for line in answer.text.splitlines() if line.startswith("data: {")]
        ends = [choice for chunk in chunks for choice in chunk["choices"] if choice["finish_reason"]]
        assert [end["finish_reason"] for end in ends] == ["deadline", "deadline"]
        assert chunks[-1]["receipt"]
    else:
        made = answer.json()
        assert [choice["finish_reason"] for choice in made["choices"]] == ["deadline", "deadline"]
        assert 0 < made["usage"]["completion_tokens"] < 3000
        assert made["choices"][0]["message"]["content"]


def test_a_model_without_reasoning_gets_no_reasoning_prompt(server: RunningServer) -> None:
    assert content(ask(server, reasoning_effort="none")) == content(ask(server))
    with server.client() as client:
        fields = {"model": "forefront-mini", "messages": [USER], "reasoning_effort": "high"}
        answers = [client.post(path, json=fields) for path in (PATH, f"{PATH}/preflight")]
    for answer in answers:
        assert answer.status_code == 200, answer.text
        assert answer.headers["x-ignored-params"] == "reasoning_effort"


@pytest.mark.parametrize("fields", [{}, {"logit_bias": {"5": 1}}, {"regex": "[0-9]{1,3}"}])
def test_top_p_0_is_the_most_likely_token(server: RunningServer, fields: dict[str, Any]) -> None:
    """OpenAI's API takes 0, and some clients send it by default."""
    greedy = content(ask(server, **fields))
    for seed in range(3):
        answer = ask(server, temperature=2, top_p=0, seed=seed, **fields)
        assert content(answer) == greedy
        assert answer["receipt"]["sampling"]["top_p"] == 0


@pytest.mark.parametrize(
    ("path", "fields", "param"),
    [
        (
            PATH,
            {"messages": [{"role": "user", "content": [{"type": "image_url", "image_url": {"url": IMAGE}}]}]},
            "messages[0].content[0].type",
        ),
        (
            "/v1/responses",
            {"input": [{"role": "user", "content": [{"type": "input_image", "image_url": IMAGE}]}]},
            "input[0].content[0].type",
        ),
        (
            "/v1/messages",
            {"max_tokens": 5, "messages": [{"role": "user", "content": [{"type": "image", "source": SOURCE}]}]},
            "messages[0].content[0].type",
        ),
    ],
)
def test_an_image_is_refused_without_the_type_of_another_api(
    server: RunningServer, path: str, fields: dict[str, Any], param: str
) -> None:
    with server.client() as client:
        answer = client.post(path, json={"model": "forefront-mini"} | fields)
    assert answer.status_code == 400
    error = answer.json()["error"]
    text = "This model reads text alone: it cannot read images."
    assert (error.get("param"), error["message"]) in {(param, text), (None, f"`{param}`: {text}")}
