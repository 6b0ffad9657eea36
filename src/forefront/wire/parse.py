"""From a request's bytes to a typed request: parsed once, at the door, with an error that names the field."""

import re
from dataclasses import dataclass
from typing import Any, Final, Generic, TypeVar

import msgspec

from forefront.wire.errors import ApiError
from forefront.wire.json_reader import read_json
from forefront.wire.message_validation import check_conversation
from forefront.wire.request import MAX_PROMPTS, ChatRequest, CompletionRequest, SampledRequest
from forefront.wire.response_format import TextFormat
from forefront.wire.tools import NamedToolChoice
from forefront.wire.unknown_fields import ignored_fields, same
from forefront.wire.validation_errors import named_error

R = TypeVar("R", bound=SampledRequest)

# alias → field: the published documentation's misspelling, and the newer name that the field's clients send.
ALIASES: Final = {"temeperature": "temperature", "max_completion_tokens": "max_tokens"}


@dataclass(frozen=True, slots=True)
class ParsedRequest(Generic[R]):
    """A request and the names of the fields that were let through without effect, as paths."""

    request: R
    ignored: tuple[str, ...]


def parse_chat_request(body: bytes | bytearray) -> ParsedRequest[ChatRequest]:
    """Read the body of `POST /v1/chat/completions`. A `prompt` in place of `messages` is one message of the user.

    Raises `ApiError`: 400 when it is not JSON, lacks a field or asks for what cannot be done here; 422 when a field
    has the wrong type, is out of range, or nearly matches a known one.
    """
    fields = _fields(body)
    _resolve_prompt(fields)
    parsed = _convert(fields, ChatRequest)
    _check_chat(parsed.request)
    return parsed


def parse_completion_request(body: bytes | bytearray) -> ParsedRequest[CompletionRequest]:
    """Read the body of `POST /v1/completions`. Raises `ApiError` like `parse_chat_request`."""
    parsed = _convert(_fields(body), CompletionRequest)
    _check_completion(parsed.request)
    return parsed


def _fields(body: bytes | bytearray) -> dict[str, Any]:
    """The body's fields that are given, under their own names."""
    fields = read_json(body)
    if not isinstance(fields, dict):
        raise ApiError("invalid_type", f"The body must be a JSON object, not {_kind(fields)}.")
    fields = {name: value for name, value in fields.items() if value is not None}
    for alias, name in ALIASES.items():
        if alias not in fields:
            continue
        value = fields.pop(alias)
        if name in fields and not same(fields[name], value):
            raise ApiError(
                "invalid_value", f"`{alias}` and `{name}` mean the same but have different values.", param=alias
            )
        fields[name] = value
    return fields


def _convert(fields: dict[str, Any], kind: type[R]) -> ParsedRequest[R]:
    ignored = ignored_fields(fields, kind)
    try:
        request = msgspec.convert(fields, kind)
    except msgspec.ValidationError as error:
        raise named_error(str(error)) from None
    _check_sampled(request)
    return ParsedRequest(request, ignored)


def _resolve_prompt(fields: dict[str, Any]) -> None:
    if "prompt" not in fields:
        return
    if "messages" in fields:
        raise ApiError("invalid_value", "`prompt` stands in place of `messages`: send one of them.", param="prompt")
    if not isinstance(fields["prompt"], str):
        text = "`prompt` must be a string here. `POST /v1/completions` takes lists and token ids."
        raise ApiError("invalid_type", text, param="prompt")
    fields["messages"] = [{"role": "user", "content": fields.pop("prompt")}]


def _check_sampled(request: SampledRequest) -> None:
    """What depends on more than one field, whichever the endpoint."""
    if request.stream_options is not None and not request.stream:
        raise ApiError("invalid_value", "`stream_options` needs `stream` to be true.", param="stream_options")
    for token in request.logit_bias or ():
        if not re.fullmatch(r"\d{1,9}", token, re.ASCII):
            raise ApiError(
                "invalid_value", 'The keys of `logit_bias` must be token ids, such as "1234".', param="logit_bias"
            )
    formatted = request.response_format is not None and not isinstance(request.response_format, TextFormat)
    forms = [
        name
        for name, given in (("response_format", formatted), ("regex", request.regex), ("grammar", request.grammar))
        if given
    ]
    if len(forms) > 1:
        text = f"`{forms[0]}` and `{forms[1]}` both say what form the answer has: send one of them."
        raise ApiError("invalid_value", text, param=forms[1])


def _check_chat(request: ChatRequest) -> None:
    if request.top_logprobs is not None and not request.logprobs:
        raise ApiError("invalid_value", "`top_logprobs` needs `logprobs` to be true.", param="top_logprobs")
    names = [tool.function.name for tool in request.tools or ()]
    for index, name in enumerate(names):
        if name in names[:index]:
            text = f"Two tools have the name `{name}`."
            raise ApiError("invalid_value", text, param=f"tools[{index}].function.name")
    choice = request.tool_choice
    if isinstance(choice, NamedToolChoice) and choice.function.name not in names:
        text = f"`tool_choice` names `{choice.function.name[:64]}`, which is not among the tools."
        raise ApiError("invalid_value", text, param="tool_choice")
    if choice == "required" and not names:
        raise ApiError("invalid_value", "`tool_choice` is `required`, but there are no tools.", param="tool_choice")
    check_conversation(request.messages)


def _check_completion(request: CompletionRequest) -> None:
    if not isinstance(request.prompt, str):
        kinds = {type(entry) for entry in request.prompt}
        if len(kinds) > 1:
            text = "`prompt` must be a list of texts, of token ids, or of lists of token ids, not a mixture."
            raise ApiError("invalid_type", text, param="prompt")
        if kinds != {int} and len(request.prompt) > MAX_PROMPTS:
            raise ApiError("invalid_value", f"`prompt` must have at most {MAX_PROMPTS} prompts.", param="prompt")
    if request.max_tokens == 0 and not request.echo:
        raise ApiError("invalid_value", "`max_tokens` 0 needs `echo` to be true.", param="max_tokens")


def _kind(value: Any) -> str:
    for kind, name in ((bool, "a boolean"), (str, "a string"), (list, "an array"), (type(None), "null")):
        if isinstance(value, kind):
            return name
    return "a number"
