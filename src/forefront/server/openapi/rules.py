"""Rules between the fields of a request, as JSON schema. The types hold those of single fields."""

from typing import Any, Final

import msgspec

from forefront.wire.admin.records import Budget
from forefront.wire.completions.message import Message
from forefront.wire.completions.request import ChatRequest, CompletionRequest
from forefront.wire.messages.request import CountTokensRequest, MessagesRequest
from forefront.wire.responses.request import ResponsesRequest
from forefront.wire.tokens import TokenizeRequest


def _given(name: str, **constraint: Any) -> dict[str, Any]:
    """The field is present and not null."""
    return {"required": [name], "properties": {name: constraint or {"not": {"type": "null"}}}}


def _needs(name: str, needed: dict[str, Any]) -> dict[str, Any]:
    return {"if": _given(name), "then": needed}


def _role(name: str) -> dict[str, Any]:
    return {"properties": {"role": {"const": name}}}


_CALLS: Final = _given("tool_calls", type="array", minItems=1)
_FORMS: Final = (
    _given("regex"),
    _given("grammar"),
    _given("response_format", properties={"type": {"enum": ["json_object", "json_schema"]}}, required=["type"]),
)
_JSON_TEXT: Final = _given("format", properties={"type": {"enum": ["json_object", "json_schema"]}}, required=["type"])
_RESPONSE_FORMS: Final = (*_FORMS[:2], _given("text", **_JSON_TEXT))
_STREAM_OPTIONS: Final = _needs("stream_options", _given("stream", const=True))


def _exclusive(*forms: dict[str, Any]) -> list[dict[str, Any]]:
    """At most one of the rules holds."""
    pairs = [(form, other) for index, form in enumerate(forms) for other in forms[index + 1 :]]
    return [{"not": {"allOf": [form, other]}} for form, other in pairs]


_MESSAGES_FORMS: Final = _exclusive(*_FORMS[:2], _given("output_format"), _given("output_config", **_given("format")))
_SAMPLED: Final = (_STREAM_OPTIONS, *_exclusive(*_FORMS))
RULES: Final[dict[type[msgspec.Struct], dict[str, Any]]] = {
    ChatRequest: {
        "oneOf": [_given("messages"), _given("prompt")],
        "allOf": [
            *_SAMPLED,
            {"if": _given("top_logprobs", type="integer", minimum=1), "then": _given("logprobs", const=True)},
        ],
    },
    CompletionRequest: {
        "allOf": [*_SAMPLED, {"if": _given("max_tokens", const=0), "then": _given("echo", const=True)}]
    },
    # Further rules are in the description alone: generators of test data give up on the product of so many choices.
    ResponsesRequest: {
        "allOf": [
            _STREAM_OPTIONS,
            *_exclusive(*_RESPONSE_FORMS),
            *_exclusive(_given("previous_response_id"), _given("conversation")),
        ]
    },
    MessagesRequest: {"allOf": [*_MESSAGES_FORMS, *_exclusive(_given("stop"), _given("stop_sequences"))]},
    CountTokensRequest: {"allOf": [*_MESSAGES_FORMS]},
    TokenizeRequest: {
        "oneOf": [_given("prompt"), _given("messages")],
        "allOf": [_needs("tools", _given("messages")), _needs("add_special_tokens", _given("prompt"))],
    },
    Message: {
        "allOf": [
            {"anyOf": [_given("content"), {"allOf": [_role("assistant"), _CALLS]}]},
            {"if": _role("tool"), "then": _given("tool_call_id"), "else": {"not": _given("tool_call_id")}},
            {"anyOf": [_role("assistant"), {"not": _CALLS}]},
        ]
    },
    Budget: {"anyOf": [_given("tokens"), _given("money")]},
}
