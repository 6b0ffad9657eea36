"""From the bytes of a Responses request to the typed request, with an error that names the field."""

import re
from typing import Any, Final

import msgspec

from forefront.wire.completions.call_arguments import write_arguments
from forefront.wire.completions.parse import convert_fields, read_fields
from forefront.wire.errors import RequestError
from forefront.wire.parsing.validation_errors import Choices
from forefront.wire.responses.refused_fields import FIELD_TABLES
from forefront.wire.responses.request import ResponsesRequest

MAX_TOOL_BYTES: Final = 2**20
CHOICES: Final = (
    Choices(
        re.compile(r"tools\[\d+\](\.tools\[\d+\])?\.type"),
        "Tools of type {value} are not supported: only `function`, `custom` and `namespace` are, and no tools run on "
        "the server.",
    ),
    Choices(
        re.compile(r"tool_choice(\.tools\[\d+\])?\.type"),
        "A choice of type {value} is not supported: only `function`, `custom` and `allowed_tools` are.",
    ),
    Choices(
        re.compile(r"(input|items)\[\d+\]\.(content|output)\[\d+\]\.type"),
        "Parts of type {value} are not supported: only `input_text`, `input_image`, `input_audio` and `input_file` "
        "are, and `output_text` and `refusal` of earlier responses.",
    ),
    Choices(
        re.compile(r"(input|items)\[\d+\]\.type"),
        "Items of type {value} are not supported: only messages, reasoning, and calls of `function` and `custom` tools "
        "with their outputs are.",
    ),
)


def parse_request(body: bytes | bytearray) -> tuple[ResponsesRequest, tuple[str, ...]]:
    """The body of `POST /v1/responses`, and the paths of its fields without effect. Raises `RequestError` (400,
    422)."""
    fields = read_fields(body)
    complete_items(fields.get("input"))
    request, ignored = convert_fields(fields, ResponsesRequest, FIELD_TABLES, CHOICES)
    _check(request)
    if len(body) > MAX_TOOL_BYTES and request.tools and len(msgspec.json.encode(request.tools)) > MAX_TOOL_BYTES:
        text = f"`tools` must have at most {MAX_TOOL_BYTES // 2**20} MiB, since several events of a stream repeat them."
        raise RequestError("invalid_value", text, param="tools")
    return request, ignored


def complete_items(items: Any) -> None:
    """Messages may come without their `type`, and references to items too. A call's arguments may be an object, which
    becomes its text. Raises `RequestError` 400 for one that nests too deep."""
    if not isinstance(items, list):
        return
    for item in items:
        if isinstance(item, dict) and item.get("type") is None:
            item["type"] = "item_reference" if "id" in item and "role" not in item else "message"
        write_arguments(item)


def _check(request: ResponsesRequest) -> None:
    """Rules between fields."""
    if request.stream_options is not None and not request.stream:
        raise RequestError("invalid_value", "`stream_options` needs `stream` to be true.", param="stream_options")
    if request.top_logprobs and not request.includes_logprobs:
        text = "`top_logprobs` needs `message.output_text.logprobs` in `include`."
        raise RequestError("invalid_value", text, param="top_logprobs")
    if request.previous_response_id is not None and request.conversation is not None:
        text = "`previous_response_id` and `conversation` exclude each other: send one of them."
        raise RequestError("invalid_value", text, param="conversation")
    if request.background and request.store is False:
        raise RequestError("invalid_value", "`background` needs `store`: send it as true.", param="background")
