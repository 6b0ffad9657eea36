"""`POST /v1/completions`: prompts as text and tokens, echo, log-probabilities, many at once."""

import json
import math
from itertools import pairwise
from typing import Any

import pytest

from tests.support.server import RunningServer

PATH = "/v1/completions"


def body(**fields: Any) -> dict[str, Any]:
    return {"model": "tiny", "prompt": "Once upon a time", "max_tokens": 6, "seed": 3} | fields


def complete(server: RunningServer, **fields: Any) -> dict[str, Any]:
    with server.client() as client:
        answer = client.post(PATH, json=body(**fields))
    assert answer.status_code == 200, answer.text
    made: dict[str, Any] = answer.json()
    return made


def test_a_text_is_continued(server: RunningServer) -> None:
    answer = complete(server)
    assert answer["object"] == "text_completion"
    assert answer["id"].startswith("cmpl-")
    [choice] = answer["choices"]
    assert choice["index"] == 0
    assert choice["finish_reason"] == "length"
    assert choice["logprobs"] is None
    assert answer["usage"]["completion_tokens"] == 6
    assert answer["receipt"]["sampling"]["max_tokens"] == 6
    assert complete(server)["choices"] == answer["choices"]


def test_the_default_is_sixteen_tokens(server: RunningServer) -> None:
    assert complete(server, max_tokens=None)["usage"]["completion_tokens"] == 16


def test_prompts_in_a_list_are_answered_in_order(server: RunningServer) -> None:
    prompts = ["Once upon a time", "The end"]
    answer = complete(server, prompt=prompts, n=2, temperature=0)
    assert [choice["index"] for choice in answer["choices"]] == [0, 1, 2, 3]
    texts = [choice["text"] for choice in answer["choices"]]
    alone = [complete(server, prompt=prompt, temperature=0)["choices"][0]["text"] for prompt in prompts]
    assert texts == [alone[0], alone[0], alone[1], alone[1]]
    assert answer["usage"]["completion_tokens"] == 24


def test_echo_puts_the_prompt_before_the_answer(server: RunningServer) -> None:
    plain = complete(server)["choices"][0]["text"]
    assert complete(server, echo=True)["choices"][0]["text"] == "Once upon a time" + plain


def test_echo_alone_scores_the_prompt(server: RunningServer) -> None:
    answer = complete(server, echo=True, max_tokens=0, logprobs=2, model="forefront-mini")
    [choice] = answer["choices"]
    assert choice["text"] == "Once upon a time"
    assert answer["usage"]["completion_tokens"] == 0
    scores = choice["logprobs"]
    assert "".join(scores["tokens"]) == "Once upon a time"
    assert scores["token_logprobs"][0] is None
    assert scores["top_logprobs"][0] is None
    assert all(logprob <= 0 for logprob in scores["token_logprobs"][1:])
    assert all(len(top) in (2, 3) for top in scores["top_logprobs"][1:])
    places = [*scores["text_offset"], len(choice["text"])]
    assert [choice["text"][a:b] for a, b in pairwise(places)] == scores["tokens"]


def test_scores_do_not_depend_on_the_request_form(server: RunningServer) -> None:
    """The log-probabilities of a greedy answer are the same when that answer is a prompt."""
    made = complete(server, temperature=0, logprobs=0, model="forefront-mini", max_tokens=12)["choices"][0]
    whole = complete(
        server,
        prompt="Once upon a time" + made["text"],
        echo=True,
        max_tokens=0,
        logprobs=0,
        model="forefront-mini",
    )["choices"][0]
    own_scores = made["logprobs"]["token_logprobs"]
    scored = whole["logprobs"]["token_logprobs"][-len(own_scores) :]
    if made["logprobs"]["tokens"] == whole["logprobs"]["tokens"][-len(own_scores) :]:
        assert all(math.isclose(a, b, abs_tol=0.02) for a, b in zip(own_scores, scored, strict=True))
    else:  # another tokenisation of the same text has other scores
        assert whole["text"].endswith(made["text"])


def test_token_ids_are_a_prompt(server: RunningServer) -> None:
    assert complete(server, prompt=[5, 6, 7], echo=True)["usage"]["prompt_tokens"] == 3
    assert complete(server, prompt=[[5, 6], [7]])["usage"]["prompt_tokens"] == 3


def test_the_chosen_token_is_among_no_alternatives(server: RunningServer) -> None:
    for fields in ({"max_tokens": 3}, {"max_tokens": 2, "echo": True}):
        scores = complete(server, prompt="Once upon", logprobs=0, **fields)["choices"][0]["logprobs"]
        chosen = zip(scores["tokens"], scores["token_logprobs"], strict=True)
        expected = [None if logprob is None else {token: logprob} for token, logprob in chosen]
        assert scores["top_logprobs"] == expected


def test_a_stream_has_the_same_content(server: RunningServer) -> None:
    whole = complete(server, prompt=["a b c", "x"], echo=True, logprobs=1)
    with server.client() as client:
        fields = body(prompt=["a b c", "x"], echo=True, logprobs=1, stream=True, stream_options={"include_usage": True})
        text = client.post(PATH, json=fields).text
    assert text.endswith("data: [DONE]\n\n")
    chunks = [json.loads(line[6:]) for line in text.splitlines() if line.startswith("data: {")]
    assert {chunk["object"] for chunk in chunks} == {"text_completion"}
    for index in (0, 1):
        parts = [choice for chunk in chunks for choice in chunk["choices"] if choice["index"] == index]
        assert "".join(part["text"] for part in parts) == whole["choices"][index]["text"]
        assert parts[-1]["finish_reason"] == "length"
        scores = [logprob for part in parts if part["logprobs"] for logprob in part["logprobs"]["token_logprobs"]]
        assert scores == whole["choices"][index]["logprobs"]["token_logprobs"]
    assert chunks[-1]["usage"] == whole["usage"]
    assert chunks[-1]["receipt"]


@pytest.mark.parametrize(
    ("fields", "status", "code", "param"),
    [
        ({"prompt": ""}, 422, "invalid_value", "prompt"),
        ({"prompt": ["a", ""]}, 422, "invalid_value", "prompt[1]"),
        ({"prompt": [[1], [10**6]]}, 422, "invalid_value", "prompt[1]"),
        ({"prompt": [10**6]}, 422, "invalid_value", "prompt[0]"),
        ({"prompt": None}, 400, "missing_parameter", "prompt"),
        ({"suffix": "x"}, 400, "unsupported_parameter", "suffix"),
        ({"max_tokens": 10**6}, 400, "context_length_exceeded", "max_tokens"),
        ({"model": "other"}, 404, "model_not_found", "model"),
    ],
)
def test_refusals(server: RunningServer, fields: dict[str, Any], status: int, code: str, param: str) -> None:
    with server.client() as client:
        answer = client.post(PATH, json=body(**fields))
    assert answer.status_code == status, answer.text
    assert (answer.json()["error"]["code"], answer.json()["error"]["param"]) == (code, param)
