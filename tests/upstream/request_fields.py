"""A value of each field of a request, and what an upstream of each dialect gets for it."""

from typing import Any, Final

import msgspec

from forefront.upstream.dialects import DIALECTS
from forefront.upstream.encoding.request_encoder import RequestEncoder
from forefront.upstream.spec import UpstreamSpec
from forefront.wire.completions.request import ChatRequest, CompletionRequest
from forefront.wire.errors import RequestError
from tests.upstream.backends import chat, text

SPEC: Final = UpstreamSpec("big", ("http://upstream.test/v1",), "upstream-model")
TOOLS: Final = [{"type": "function", "function": {"name": "look", "parameters": {"type": "object", "properties": {}}}}]
# Fields that concern this server alone, that every request has, or that parsing turns into others.
OTHERS: Final = {"model", "messages", "stream", "stream_options", "deadline_ms", "functions", "function_call"}
SAMPLES: Final[dict[str, Any]] = {
    "temperature": 0.5,
    "top_p": 0.9,
    "top_k": 40,
    "min_p": 0.1,
    "stop": ["END"],
    "stop_token_ids": [7],
    "min_tokens": 2,
    "ignore_eos": True,
    "seed": 11,
    "n": 2,
    "presence_penalty": 0.5,
    "frequency_penalty": 0.25,
    "repetition_penalty": 1.5,
    "logit_bias": {"7": 1.5},
    "response_format": {"type": "json_object"},
    "regex": "yes|no",
    "grammar": 'root ::= "yes" | "no"',
    "max_tokens": 5,
}
CHAT_SAMPLES: Final = SAMPLES | {
    "logprobs": True,
    "top_logprobs": 3,
    "tools": TOOLS,
    "tool_choice": "required",
    "parallel_tool_calls": False,
    "reasoning_effort": "low",
    "prediction": {"type": "content", "content": "probably"},
}
TEXT_SAMPLES: Final = SAMPLES | {"prompt": ["one", "two"], "logprobs": 3, "echo": True}
# Without these a field has no meaning.
NEEDS: Final[dict[str, dict[str, Any]]] = {
    "top_logprobs": {"logprobs": True},
    "tool_choice": {"tools": TOOLS},
    "parallel_tool_calls": {"tools": TOOLS},
}
REFUSED: Final = "–"
SAME: Final = "✓"


def encode(dialect: str, request: ChatRequest | CompletionRequest) -> dict[str, Any]:
    """The body for an upstream."""
    body: dict[str, Any] = msgspec.json.decode(RequestEncoder(SPEC, DIALECTS[dialect]).encode(request))
    return body


def added(dialect: str, name: str, value: Any, *, is_chat: bool) -> dict[str, Any] | RequestError:
    """The fields that a field adds to the body, or changes in it; or the error."""
    make = chat if is_chat else text
    needs = NEEDS.get(name, {}) if is_chat else {}
    try:
        body = encode(dialect, make(**needs, **{name: value}))
    except RequestError as error:
        return error
    try:
        without = encode(dialect, make(**needs))
    except RequestError:  # of a field that is needed
        without = {}
    return {key: member for key, member in body.items() if without.get(key, ...) != member}


def name_at(dialect: str, name: str, *, is_chat: bool) -> str:
    """How a field reaches an upstream: `SAME`, under another name, or `REFUSED`."""
    fields = added(dialect, name, (CHAT_SAMPLES if is_chat else TEXT_SAMPLES)[name], is_chat=is_chat)
    if isinstance(fields, RequestError):
        return REFUSED
    if name in fields:
        return SAME
    key = next(iter(fields))
    if key == "structured_outputs":
        key += "." + next(iter(fields[key]))
    return f"`{key}`"


def table() -> list[list[str]]:
    """The rows of the table in `docs/upstreams.md`: one for each field, two where the endpoints differ."""
    rows = []
    for name in dict.fromkeys([*CHAT_SAMPLES, *TEXT_SAMPLES]):
        cells = {}
        for label, is_chat, samples in (("chat", True, CHAT_SAMPLES), ("text", False, TEXT_SAMPLES)):
            if name in samples:
                cells[label] = [name_at(dialect, name, is_chat=is_chat) for dialect in DIALECTS]
        if len(cells) == 1 or cells["chat"] == cells["text"]:
            rows.append([f"`{name}`", *next(iter(cells.values()))])
        else:
            rows += [[f"`{name}`, {label}", *row] for label, row in cells.items()]
    return rows
