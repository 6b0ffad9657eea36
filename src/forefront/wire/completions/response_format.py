"""The form of an answer: JSON, JSON of a schema, a regular expression, a grammar."""

from typing import Any, Literal

import msgspec


class TextFormat(msgspec.Struct, kw_only=True, tag_field="type", tag="text"):
    """Any text."""


class JsonObjectFormat(msgspec.Struct, kw_only=True, tag_field="type", tag="json_object"):
    """Any JSON object."""


class JsonSchema(msgspec.Struct, kw_only=True):
    """A JSON schema. Answers always keep to it, with `strict` and without."""

    schema: dict[str, Any]
    name: str | None = None
    description: str | None = None
    strict: bool | None = None


class JsonSchemaFormat(msgspec.Struct, kw_only=True, tag_field="type", tag="json_schema"):
    """JSON that is valid against a schema."""

    json_schema: JsonSchema


ResponseFormat = TextFormat | JsonObjectFormat | JsonSchemaFormat


class Grammar(msgspec.Struct, kw_only=True):
    """A context-free grammar, in llguidance's dialect of Lark or in llama.cpp's GBNF."""

    syntax: Literal["lark", "gbnf"]
    definition: str
