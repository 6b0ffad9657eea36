"""Answers of a given form: from a type or a schema to `response_format`, and from the text back to a value."""

import re
from collections.abc import Callable, Mapping
from typing import Any, Generic, TypeVar

import msgspec

from forefront.client.decoding import read_completion
from forefront.client.exceptions import ParseError
from forefront.client.transport.response import Reply
from forefront.wire.response import ChatCompletion

T = TypeVar("T")


class ParsedCompletion(ChatCompletion, Generic[T], kw_only=True):
    """A whole answer, and what its first choice's text says once parsed."""

    parsed: T


class Form(Generic[T]):
    """A form that an answer can have.

    Made from a Pydantic model, or whatever has `model_json_schema` and `model_validate_json`; from a dataclass, a
    `TypedDict` or another type that msgspec has a schema for; from a JSON schema, or a whole `response_format` of the
    type `json_schema`, whose values are plain dicts. Raises `TypeError` for anything else.
    """

    def __init__(self, given: type[T] | Mapping[str, Any]) -> None:
        self._read: Callable[[str], Any]
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

    def completion(self, reply: Reply) -> ParsedCompletion[T]:
        """The answer, parsed. Raises `ParseError` when it is not of this form, `APIError` when it is none."""
        answer = read_completion(reply)
        choice = answer.choices[0] if answer.choices else None
        cut = choice is not None and choice.finish_reason == "length"
        hint = " It was cut off: no more tokens were allowed." if cut else ""
        text = (choice.message.content if choice else None) or ""
        try:
            msgspec.json.decode(text)
        except (msgspec.DecodeError, RecursionError) as error:
            raise ParseError(f"The answer is not JSON.{hint}", answer) from error
        try:
            parsed: T = self._read(text)
        except (ValueError, RecursionError) as error:  # what msgspec and Pydantic raise is of this kind
            raise ParseError(f"The answer is not of the form that was asked for.{hint}", answer) from error
        return ParsedCompletion(**{name: getattr(answer, name) for name in answer}, parsed=parsed)


def _format(schema: Mapping[str, Any]) -> dict[str, Any]:
    name = re.sub(r"[^A-Za-z0-9_-]", "_", str(schema.get("title") or "answer"))[:64]
    return {"type": "json_schema", "json_schema": {"name": name, "schema": dict(schema), "strict": True}}


def _inlined(schema: dict[str, Any]) -> dict[str, Any]:
    """msgspec puts even the outermost type under `$defs`; there its title and its fields are at the top."""
    definitions: dict[str, Any] = schema.get("$defs", {})
    outermost = str(schema.get("$ref", "")).removeprefix("#/$defs/")
    return {**definitions[outermost], "$defs": definitions} if outermost in definitions else schema
