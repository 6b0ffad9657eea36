"""From a request's bytes to a `ChatRequest`: parsed once, at the door, with an error that names the field."""

import difflib
import re
from dataclasses import dataclass
from typing import Any, Final

import msgspec

from forefront.wire.errors import ApiError
from forefront.wire.json_reader import read_json
from forefront.wire.request import ChatRequest, Message, StreamOptions

# Fields that would change what the answer means; ignoring them would be a lie. Values under which a field asks for
# nothing are let through.
_UNSUPPORTED: Final[dict[str, tuple[Any, ...]]] = {
    "tools": ([],),
    "tool_choice": ("none", "auto"),
    "functions": ([],),
    "function_call": ("none", "auto"),
    "response_format": ({"type": "text"},),
    "modalities": (["text"],),
    "audio": (),
    "web_search_options": (),
    "store": (False,),
    "prompt": (),
}
_UNSUPPORTED_IN_MESSAGE: Final[dict[str, tuple[Any, ...]]] = {
    "tool_calls": ([],),
    "function_call": (),
    "tool_call_id": (),
    "audio": (),
}
# alias → field: the published documentation's misspelling, and the newer name that the field's clients send.
_ALIASES: Final = {"temeperature": "temperature", "max_completion_tokens": "max_tokens"}
_MAX_UNKNOWN: Final = 64
_KNOWN: Final = frozenset(ChatRequest.__struct_fields__)
_KNOWN_IN_MESSAGE: Final = frozenset(Message.__struct_fields__)
_KNOWN_IN_STREAM_OPTIONS: Final = frozenset(StreamOptions.__struct_fields__)
_NAMES: Final = {
    "int": "an integer",
    "float": "a number",
    "str": "a string",
    "bool": "true or false",
    "array": "an array",
    "object": "an object",
}


@dataclass(frozen=True, slots=True)
class ParsedRequest:
    """A request and the names of the unknown fields that were let through, as paths."""

    request: ChatRequest
    ignored: tuple[str, ...]


def parse_chat_request(body: bytes) -> ParsedRequest:
    """Read the body of `POST /v1/chat/completions`.

    Raises `ApiError`: 400 when it is not JSON, lacks a field or asks for what cannot be done here; 422 when a field
    has the wrong type, is out of range, or nearly matches a known one.
    """
    fields = read_json(body)
    if not isinstance(fields, dict):
        raise ApiError("invalid_type", f"The body must be a JSON object, not {_kind(fields)}.")
    fields = {name: value for name, value in fields.items() if value is not None}
    _resolve_aliases(fields)
    ignored = _unknown(fields, _KNOWN, _UNSUPPORTED, "")
    ignored += _unknown_in_messages(fields.get("messages"))
    if isinstance(options := fields.get("stream_options"), dict):
        ignored += _unknown(options, _KNOWN_IN_STREAM_OPTIONS, {}, "stream_options.")
    try:
        request = msgspec.convert(fields, ChatRequest)
    except msgspec.ValidationError as error:
        raise named_error(str(error)) from None
    _check_together(request)
    return ParsedRequest(request, tuple(ignored))


def _resolve_aliases(fields: dict[str, Any]) -> None:
    for alias, name in _ALIASES.items():
        if alias not in fields:
            continue
        value = fields.pop(alias)
        if name in fields and fields[name] != value:
            raise ApiError(
                "invalid_value", f"`{alias}` and `{name}` mean the same but have different values.", param=alias
            )
        fields[name] = value


def _unknown(
    fields: dict[str, Any], known: frozenset[str], unsupported: dict[str, tuple[Any, ...]], path: str
) -> list[str]:
    """The names of the unknown fields, as paths. Raises for one that cannot be ignored in good faith."""
    ignored: list[str] = []
    for name, value in fields.items():
        if name in known or value is None:
            continue
        if name in unsupported:
            if value not in unsupported[name]:
                raise ApiError("unsupported_parameter", f"`{path}{name}` is not supported here.", param=path + name)
            continue
        if len(ignored) == _MAX_UNKNOWN:
            raise ApiError(
                "unknown_parameter", f"More than {_MAX_UNKNOWN} unknown parameters.", param=(path + name)[:80]
            )
        # Short names are near to everything; a name of the unsupported list is as good a guess as a known one.
        near = difflib.get_close_matches(name[:64], [*known, *unsupported], n=1, cutoff=0.85)
        if near:
            raise ApiError(
                "unknown_parameter",
                f"`{path}{name}` is not a parameter; did you mean `{near[0]}`?",
                param=path + name,
            )
        ignored.append(path + name)
    return ignored


def _unknown_in_messages(messages: Any) -> list[str]:
    if not isinstance(messages, list):
        return []
    ignored: list[str] = []
    for index, message in enumerate(messages):
        if isinstance(message, dict):
            path = f"messages[{index}]."
            ignored += _unknown(message, _KNOWN_IN_MESSAGE, _UNSUPPORTED_IN_MESSAGE, path)
            if len(ignored) > _MAX_UNKNOWN:
                raise ApiError("unknown_parameter", f"More than {_MAX_UNKNOWN} unknown parameters.", param=path[:-1])
    return ignored


def _check_together(request: ChatRequest) -> None:
    """What depends on more than one field."""
    if request.top_logprobs is not None and not request.logprobs:
        raise ApiError("invalid_value", "`top_logprobs` needs `logprobs` to be true.", param="top_logprobs")
    if request.stream_options is not None and not request.stream:
        raise ApiError("invalid_value", "`stream_options` needs `stream` to be true.", param="stream_options")
    for token in request.logit_bias or ():
        if not re.fullmatch(r"\d{1,9}", token, re.ASCII):
            raise ApiError(
                "invalid_value", 'The keys of `logit_bias` must be token ids, such as "1234".', param="logit_bias"
            )


_MISSING = re.compile(r"Object missing required field `(?P<field>[^`]+)`(?: - at `\$\.?(?P<path>[^`]*)`)?")
_AT = re.compile(r"(?P<what>.*?)(?: - at `\$\.?(?P<path>.*)`)?", re.DOTALL)
_TYPE = re.compile(r"Expected `(?P<expected>[^`]+)`, got `(?P<got>\w+)`")
_LENGTH = re.compile(r"Expected `(?P<kind>\w+)` of length (?P<sign>[<>]=?) (?P<bound>\d+)")
_RANGE = re.compile(r"Expected `(?P<kind>\w+)` (?P<sign>[<>]=?) (?P<bound>\S+)")
_ENUM = re.compile(r"Invalid enum value (?P<value>.*)", re.DOTALL)
_SIGNS = {">=": "at least", "<=": "at most", ">": "more than", "<": "less than"}


def named_error(text: str) -> ApiError:
    """The error for what msgspec said, in our words. Its texts end in ` - at `$.path``."""
    if match := _MISSING.fullmatch(text):
        param = ".".join(part for part in (match["path"], match["field"]) if part)
        return ApiError("missing_parameter", f"`{param}` is required.", param=param)
    parts = _AT.fullmatch(text)
    what = parts["what"] if parts else text
    param = ((parts["path"] if parts else "") or "").replace("[...]", "")
    where = f"`{param}`"
    if match := _TYPE.fullmatch(what):
        kinds = [_NAMES.get(kind, kind) for kind in match["expected"].split(" | ") if kind != "null"]
        got = _NAMES.get(match["got"], match["got"]).replace("true or false", "a boolean")
        return ApiError("invalid_type", f"{where} must be {' or '.join(kinds)}, not {got}.", param=param)
    if match := _LENGTH.fullmatch(what):
        unit = "character" if match["kind"] == "str" else "item"
        plural = "" if match["bound"] == "1" else "s"
        return ApiError(
            "invalid_value", f"{where} must have {_SIGNS[match['sign']]} {match['bound']} {unit}{plural}.", param=param
        )
    if match := _RANGE.fullmatch(what):
        kind = _NAMES.get(match["kind"], match["kind"])
        bound = match["bound"].removesuffix(".0")
        return ApiError("invalid_value", f"{where} must be {kind} of {_SIGNS[match['sign']]} {bound}.", param=param)
    if match := _ENUM.fullmatch(what):
        roles = "must be `system`, `user` or `assistant`, not" if param.endswith("role") else "cannot be"
        return ApiError("invalid_value", f"{where} {roles} {match['value'][:80]}.", param=param)
    return ApiError("invalid_value", f"{where}: {what[:1].lower()}{what[1:]}.", param=param)


def _kind(value: Any) -> str:
    for kind, name in ((bool, "a boolean"), (str, "a string"), (list, "an array"), (type(None), "null")):
        if isinstance(value, kind):
            return name
    return "a number"
