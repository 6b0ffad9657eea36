"""From a request's bytes to a typed request, with an error that names the field."""

import json
import re
from collections.abc import Sequence
from typing import Any, Generic, TypeVar

import msgspec

from forefront.wire.completions.call_arguments import write_call_arguments
from forefront.wire.completions.field_aliases import rewrite
from forefront.wire.completions.legacy_functions import resolve_functions
from forefront.wire.completions.message_validation import check_conversation
from forefront.wire.completions.refused_fields import FIELD_TABLES, FieldTables
from forefront.wire.completions.request import MAX_PROMPTS, ChatRequest, CompletionRequest, SampledRequest
from forefront.wire.completions.response_format import TextFormat
from forefront.wire.completions.tools import NamedToolChoice
from forefront.wire.completions.unknown_fields import ignored_fields
from forefront.wire.errors import RequestError
from forefront.wire.parsing.field_names import FieldName, same_name
from forefront.wire.parsing.json_reader import read_json
from forefront.wire.parsing.validation_errors import Choices, validation_error

R = TypeVar("R", bound=SampledRequest)
S = TypeVar("S", bound=msgspec.Struct)
P = TypeVar("P")


class ParsedRequest(msgspec.Struct, Generic[P], frozen=True):
    """A request, and the paths of the fields that have no effect. `field_name` translates the path of a field of
    `request` to the name that it has in the API of the client."""

    request: P
    ignored: tuple[str, ...]
    field_name: FieldName = same_name


def parse_chat_request(body: bytes | bytearray) -> ParsedRequest[ChatRequest]:
    """Read the body of `POST /v1/chat/completions`. A `prompt` in place of `messages` is one message of the user.

    Raises `RequestError`: 400 for what is not JSON, a missing field or an unsupported one; 422 when a field
    has the wrong type, is out of range, or nearly matches a known one.
    """
    fields = rewrite(read_fields(body), chat=True)
    _resolve_prompt(fields)
    _resolve_tool_choice(fields)
    write_call_arguments(fields.get("messages"))
    parsed = _convert(fields, ChatRequest)
    request = resolve_functions(parsed.request)
    check_chat_request(request)
    return ParsedRequest(request, parsed.ignored)


def parse_completion_request(body: bytes | bytearray) -> ParsedRequest[CompletionRequest]:
    """Read the body of `POST /v1/completions`. Raises `RequestError` like `parse_chat_request`."""
    parsed = _convert(rewrite(read_fields(body), chat=False), CompletionRequest)
    _check_completion(parsed.request)
    return parsed


def read_fields(body: bytes | bytearray) -> dict[str, Any]:
    """The fields of a body that are not null. Raises `RequestError` for a body that is not a JSON object."""
    fields = read_json(body)
    if not isinstance(fields, dict):
        raise RequestError("invalid_type", f"The body must be a JSON object, not {_kind(fields)}.")
    return {name: value for name, value in fields.items() if value is not None}


def convert_fields(
    fields: dict[str, Any], kind: type[S], tables: FieldTables = FIELD_TABLES, choices: Sequence[Choices] = ()
) -> tuple[S, tuple[str, ...]]:
    """The request in `fields`, and the paths of its fields without effect. `tables` and `choices` are those of the API
    for unknown fields and for values that are refused by name. Raises `RequestError` (400, 422)."""
    ignored = ignored_fields(fields, kind, tables)
    try:
        return msgspec.convert(fields, kind), ignored
    except msgspec.ValidationError as error:
        raise validation_error(str(error), choices, kind) from None


def _convert(fields: dict[str, Any], kind: type[R]) -> ParsedRequest[R]:
    request, ignored = convert_fields(fields, kind)
    check_sampled_request(request)
    _check_window(fields, request)
    if request.answers_json:
        ignored += tuple(name for name in ("stop", "stop_token_ids") if fields.get(name))
    return ParsedRequest(request, ignored)


def _resolve_prompt(fields: dict[str, Any]) -> None:
    if "prompt" not in fields:
        return
    if "messages" in fields:
        raise RequestError(
            "invalid_value", "`prompt` and `messages` exclude each other: send one of them.", param="prompt"
        )
    if not isinstance(fields["prompt"], str):
        text = "`prompt` must be a string here. `POST /v1/completions` takes lists and token ids."
        raise RequestError("invalid_type", text, param="prompt")
    fields["messages"] = [{"role": "user", "content": fields.pop("prompt")}]


def _resolve_tool_choice(fields: dict[str, Any]) -> None:
    """TGI's `tool_choice` is the name of a tool."""
    choice, tools = fields.get("tool_choice"), fields.get("tools")
    if not isinstance(choice, str) or choice in ("none", "auto", "required") or not isinstance(tools, list):
        return
    functions = (tool.get("function") for tool in tools if isinstance(tool, dict))
    if any(isinstance(function, dict) and function.get("name") == choice for function in functions):
        fields["tool_choice"] = {"type": "function", "function": {"name": choice}}


def check_sampled_request(request: SampledRequest) -> None:
    """Rules between fields of both endpoints. Raises `RequestError` 422."""
    if request.stream_options is not None and not request.stream:
        raise RequestError("invalid_value", "`stream_options` needs `stream` to be true.", param="stream_options")
    for token in request.logit_bias or ():
        if not re.fullmatch(r"\d{1,9}", token, re.ASCII):
            text = f'The keys of `logit_bias` must be token ids, such as "1234", not {json.dumps(token[:40])}.'
            raise RequestError("invalid_value", text, param="logit_bias")
    formatted = request.response_format is not None and not isinstance(request.response_format, TextFormat)
    given = {"response_format": formatted, "regex": request.regex, "grammar": request.grammar}
    forms = [name for name, form in given.items() if form]
    if len(forms) > 1:
        text = f"`{forms[0]}` and `{forms[1]}` both set the form of the answer: send one of them."
        raise RequestError("invalid_value", text, param=forms[1])
    if request.ignore_eos and (forms or getattr(request, "tools", None) or getattr(request, "functions", None)):
        text = (
            f"`ignore_eos` cannot be combined with `{forms[0] if forms else 'tools'}`: the answer ends with its format."
        )
        raise RequestError("invalid_value", text, param="ignore_eos")


def _check_window(fields: dict[str, Any], request: SampledRequest) -> None:
    """llama.cpp's penalties may look back at some tokens; ours are over all of them."""
    for name in ("repeat_last_n", "penalty_last_n"):
        if fields.get(name, -1) == -1:
            continue
        if request.presence_penalty or request.frequency_penalty or (request.repetition_penalty or 1) != 1:
            text = f"`{name}` is not supported: penalties are over all tokens. Leave it out, or set it to -1."
            raise RequestError("unsupported_parameter", text, param=name)


def _check_length(request: ChatRequest | CompletionRequest) -> None:
    if request.min_tokens and request.max_tokens is not None and request.min_tokens > request.max_tokens:
        raise RequestError("invalid_value", "`min_tokens` must be at most `max_tokens`.", param="min_tokens")


def check_chat_request(request: ChatRequest) -> None:
    """Rules between fields of a chat request. Raises `RequestError` 422."""
    _check_length(request)
    if request.top_logprobs is not None and not request.logprobs:
        raise RequestError("invalid_value", "`top_logprobs` needs `logprobs` to be true.", param="top_logprobs")
    names = [tool.function.name for tool in request.tools or ()]
    for index, name in enumerate(names):
        if name in names[:index]:
            text = f"Two tools have the name `{name}`."
            raise RequestError("invalid_value", text, param=f"tools[{index}].function.name")
    choice = request.tool_choice
    for name in choice.names if isinstance(choice, NamedToolChoice) else ():
        if name not in names:
            text = f"`tool_choice` names `{name[:64]}`, which is not among the tools."
            raise RequestError("invalid_value", text, param="tool_choice")
    if choice == "required" and not names:
        raise RequestError("invalid_value", "`tool_choice` is `required`, but there are no tools.", param="tool_choice")
    check_conversation(request.messages)


def _check_completion(request: CompletionRequest) -> None:
    _check_length(request)
    if not isinstance(request.prompt, str):
        kinds = {type(entry) for entry in request.prompt}
        if len(kinds) > 1:
            text = "`prompt` must be a list of texts, of token ids, or of lists of token ids, not a mixture."
            raise RequestError("invalid_type", text, param="prompt")
        if kinds != {int} and len(request.prompt) > MAX_PROMPTS:
            raise RequestError("invalid_value", f"`prompt` must have at most {MAX_PROMPTS} prompts.", param="prompt")
    if request.max_tokens == 0 and not request.echo:
        raise RequestError("invalid_value", "`max_tokens` 0 needs `echo` to be true.", param="max_tokens")


def _kind(value: Any) -> str:
    for kind, name in ((bool, "a boolean"), (str, "a string"), (list, "an array"), (type(None), "null")):
        if isinstance(value, kind):
            return name
    return "a number"
