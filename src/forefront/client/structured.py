"""Structured output: a type or a schema as `response_format`, and the text as a value of it."""

import re
from collections.abc import Callable, Mapping
from typing import Any, Generic, TypeVar

import msgspec

from forefront.client.decoding import read_completion
from forefront.client.exceptions import InvalidArgumentError, ParseError
from forefront.client.transport.response import HTTPResponse
from forefront.wire.completions.response import ChatCompletion

T = TypeVar("T")


class ParsedCompletion(ChatCompletion, Generic[T], kw_only=True):
    """A completion, and the parsed value of its first choice's text."""

    parsed: T


class ResponseSchema(Generic[T]):
    """The schema of a response, and its parser.

    Takes a Pydantic model (or any class with `model_json_schema` and `model_validate_json`); a dataclass, a
    `TypedDict` or another type with a schema in msgspec; a JSON schema, or a `response_format` of the type
    `json_schema`, whose values are plain dicts. Raises `InvalidArgumentError` for anything else.
    """

    def __init__(self, given: type[T] | Mapping[str, Any]) -> None:
        self._read: Callable[[str], Any]
        try:
            self._resolve(given)
        except Exception as error:  # Pydantic and msgspec have their own errors for types without a schema
            name = getattr(given, "__name__", type(given).__name__)
            raise InvalidArgumentError(f"`response_format` {name} has no JSON schema: {error}") from error

    def _resolve(self, given: type[T] | Mapping[str, Any]) -> None:
        model: Any = given
        if isinstance(given, Mapping):
            whole = given.get("type") == "json_schema"
            self.response_format = dict(given) if whole else _format(given)
            self._read = msgspec.json.decode
        elif hasattr(given, "model_json_schema") and hasattr(given, "model_validate_json"):
            self.response_format = _format(model.model_json_schema())
            self._read = model.model_validate_json
        else:
            self.response_format = _format(_inlined(msgspec.json.schema(given)))
            self._read = msgspec.json.Decoder(given).decode

    def read(self, response: HTTPResponse) -> ParsedCompletion[T]:
        """The completion, parsed. Raises `ParseError` for text of another schema, `APIError` without a completion."""
        completion = read_completion(response)
        # Decoding is lenient: any part may be missing, or have another type.
        choice = completion.choices[0] if completion.choices else None
        cut_off = getattr(choice, "finish_reason", None) == "length"
        hint = " It was cut off by `max_tokens`." if cut_off else ""
        content = getattr(getattr(choice, "message", None), "content", None)
        text = content if isinstance(content, str) else ""
        try:
            msgspec.json.decode(text)
        except (ValueError, RecursionError) as error:
            raise ParseError(f"The completion is not JSON.{hint}", completion) from error
        try:
            parsed: T = self._read(text)
        except Exception as error:  # a model's validators raise anything
            raise ParseError(f"The completion does not match the requested schema.{hint}", completion) from error
        return ParsedCompletion(**{name: getattr(completion, name) for name in completion}, parsed=parsed)


def _format(schema: Mapping[str, Any]) -> dict[str, Any]:
    name = re.sub(r"[^A-Za-z0-9_-]", "_", str(schema.get("title") or "answer"))[:64]
    return {"type": "json_schema", "json_schema": {"name": name, "schema": dict(schema), "strict": True}}


def _inlined(schema: dict[str, Any]) -> dict[str, Any]:
    """msgspec puts even the outermost type under `$defs`; there its title and its fields are at the top."""
    definitions: dict[str, Any] = schema.get("$defs", {})
    outermost = str(schema.get("$ref", "")).removeprefix("#/$defs/")
    return {**definitions[outermost], "$defs": definitions} if outermost in definitions else schema
