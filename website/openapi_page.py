"""The page of the HTTP API's operations and types, made from the OpenAPI document, and the document itself."""

import json
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any, Final

from forefront.server.openapi.document import build_document

Schema = Mapping[str, Any]

_HEAD: Final = """\
# OpenAPI

The operations and types of the HTTP API, from [`openapi.json`](openapi.json), OpenAPI 3.1. A server sends the same
document as `GET /openapi.json` and shows it, with a form to send requests, as `GET /docs`. [The API](api.md) describes
the behaviour of requests.

"""

_BOUNDS: Final = {
    "minimum": "≥", "exclusiveMinimum": ">", "maximum": "≤", "exclusiveMaximum": "<",
    "minLength": "length ≥", "maxLength": "length ≤", "minItems": "items ≥", "maxItems": "items ≤",
    "default": "default",
}  # fmt: skip


def write_openapi(folder: Path) -> None:
    """Write `openapi.json` and `openapi.md` to `folder`."""
    document = json.loads(build_document())
    (folder / "openapi.json").write_text(json.dumps(document, indent=2))
    (folder / "openapi.md").write_text(_HEAD + _page(document))


def _page(document: Mapping[str, Any]) -> str:
    parts = [document["info"]["description"]]
    for tag in document["tags"]:
        parts.append(f"## {tag['name']}")
        for path, methods in document["paths"].items():
            parts += [_operation(method, path, one) for method, one in methods.items() if tag["name"] in one["tags"]]
    parts.append("## Types")
    parts += [_type(name, schema) for name, schema in sorted(document["components"]["schemas"].items())]
    return "\n\n".join(parts) + "\n"


def _operation(method: str, path: str, operation: Mapping[str, Any]) -> str:
    parts = [f"### `{method.upper()} {path}`", f"**{operation['summary']}.** {operation.get('description', '')}"]
    parameters = operation.get("parameters", [])
    if parameters:
        rows = [(f"`{one['name']}`", one["in"], _cell(one["schema"], one.get("description"))) for one in parameters]
        parts.append(_table(("parameter", "in", "meaning"), rows))
    if "requestBody" in operation:
        [content] = operation["requestBody"]["content"].values()
        parts.append(f"Body: {_words(content['schema'])}.")
    rows = [(status, _answer(one), one["description"]) for status, one in operation["responses"].items()]
    parts.append(_table(("status", "body", "meaning"), rows))
    return "\n\n".join(parts)


def _answer(response: Mapping[str, Any]) -> str:
    return ", ".join(
        "events" if kind == "text/event-stream" else _words(content["schema"]) if "json" in kind else f"`{kind}`"
        for kind, content in response.get("content", {}).items()
    )


def _type(name: str, schema: Schema) -> str:
    parts = [f"### {name}", schema.get("description", "")]
    required = schema.get("required", ())
    rows = [
        (f"`{field}`" + (" (required)" if field in required else ""), _cell(one, one.get("description")))
        for field, one in schema.get("properties", {}).items()
    ]
    parts.append(_table(("field", "type and meaning"), rows) if rows else f"{_words(schema)}.")
    return "\n\n".join(part for part in parts if part)


def _cell(schema: Schema, description: str | None) -> str:
    return ". ".join(part for part in (_words(schema), description) if part)


def _words(schema: Schema) -> str:
    """A schema in a few words, with links to the page's types."""
    if "$ref" in schema:
        name = schema["$ref"].rpartition("/")[2]
        return f"[{name}](#{name.lower()})"
    for key in ("anyOf", "oneOf"):
        if key in schema:
            return " or ".join(dict.fromkeys(_words(option) for option in schema[key]))
    if "const" in schema or "enum" in schema:
        return " or ".join(f"`{json.dumps(value)}`" for value in schema.get("enum", [schema.get("const")]))
    kind = schema.get("type", "any value")
    names = [kind] if isinstance(kind, str) else kind
    text = " or ".join(f"array of {_words(schema['items'])}" if _is_array(name, schema) else name for name in names)
    return ", ".join([text, *(f"{word} {schema[key]}" for key, word in _BOUNDS.items() if key in schema)])


def _is_array(name: str, schema: Schema) -> bool:
    return name == "array" and "items" in schema


def _table(head: tuple[str, ...], rows: Iterable[tuple[str, ...]]) -> str:
    lines = [head, tuple("---" for _ in head), *rows]
    return "\n".join(f"| {' | '.join(_escape(cell) for cell in line)} |" for line in lines)


def _escape(cell: str) -> str:
    """Text for one cell: on one line, without a column's end."""
    return " ".join(cell.split()).replace("|", "\\|")
