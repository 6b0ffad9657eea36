"""The OpenAPI document, from the table of operations and their types."""

import re
from collections.abc import Iterable
from functools import cache
from importlib.metadata import version
from typing import Any, Final

import msgspec

from forefront.server.openapi.operation import Operation
from forefront.server.openapi.operations.all_operations import OPERATIONS
from forefront.server.openapi.schemas import Schema, components, schema_of
from forefront.wire.completions.request import Sampling
from forefront.wire.errors import ErrorBody

_ABOUT: Final = """\
A chat-completions platform: one process that serves language models, with keys, limits, budgets and a ledger.

**Fields.** `null` is the same as leaving a field out. Unknown fields of completion requests, at most 64, have no effect
and are listed in the header `x-ignored-params`. An unknown field whose name resembles that of a known one
(`temprature`) gets a 422 that names both. Unknown fields of administration requests get a 422.

**Errors.** Every error has the same body, `ErrorBody`. `code` is for programs, `param` names the field. The headers
`x-should-retry` and `retry-after` state whether and when to retry.\
"""
_HEADERS: Final[dict[str, tuple[str, Schema]]] = {
    "x-request-id": ("The id of the request: the client's if it sent a valid one, else a new one.", {"type": "string"}),
    "openai-processing-ms": ("Milliseconds until the response began.", {"type": "integer", "minimum": 0}),
    "x-should-retry": ("Whether a retry may succeed.", {"enum": ["true", "false"]}),
    "retry-after": ("Seconds to wait before a retry.", {"type": "integer", "minimum": 0}),
    "retry-after-ms": ("The same in milliseconds.", {"type": "integer", "minimum": 0}),
    "www-authenticate": ("The authentication scheme.", {"type": "string"}),
    "x-ignored-params": ("The fields that had no effect, separated by commas.", {"type": "string"}),
    "x-unenforced-keywords": (
        "The keywords of schemas, as paths, that do not bind the answer, separated by commas.",
        {"type": "string", "maxLength": 2100},
    ),
    "x-forefront-served-by": (
        "The fallback that answers in place of the requested model, percent-encoded.",
        {"type": "string"},
    ),
    "idempotent-replayed": ("The response is that of an earlier request.", {"enum": ["true"]}),
    "x-ratelimit-limit-requests": ("The limit of requests in any 60 seconds.", {"type": "integer", "minimum": 0}),
    "x-ratelimit-limit-tokens": ("The limit of tokens in any 60 seconds.", {"type": "integer", "minimum": 0}),
    "x-ratelimit-remaining-requests": ("What remains of the limit.", {"type": "integer", "minimum": 0}),
    "x-ratelimit-remaining-tokens": ("What remains of the limit.", {"type": "integer", "minimum": 0}),
    "x-ratelimit-reset-requests": (
        "Time until the whole limit is available.",
        {"type": "string", "pattern": r"^[0-9.]+s$"},
    ),
    "x-ratelimit-reset-tokens": (
        "Time until the whole limit is available.",
        {"type": "string", "pattern": r"^[0-9.]+s$"},
    ),
}
_COMMON_HEADERS: Final = ("x-request-id", "openai-processing-ms")
_RATE_LIMIT_HEADERS: Final = tuple(name for name in _HEADERS if "ratelimit" in name)
_COMPLETION_HEADERS: Final = (
    "x-unenforced-keywords",
    "x-forefront-served-by",
    "idempotent-replayed",
    *_RATE_LIMIT_HEADERS,
)
# Errors before a request is counted.
_UNCOUNTED: Final = frozenset({401, 404, 413, 414, 415, 431})


@cache
def build_document() -> bytes:
    """The document as JSON. It is built once."""
    paths: dict[str, Any] = {}
    for operation in OPERATIONS:
        paths.setdefault(operation.path, {})[operation.method.lower()] = _operation(operation)
    document = {
        "openapi": "3.1.0",
        "info": {"title": "Forefront", "version": version("forefront"), "description": _ABOUT},
        "servers": [{"url": "/", "description": "The server that sent this document"}],
        "security": [{"key": []}],
        "tags": [{"name": group} for group in dict.fromkeys(operation.group for operation in OPERATIONS)],
        "paths": paths,
        "components": {
            "schemas": _schemas(),
            "headers": {name: {"description": text, "schema": schema} for name, (text, schema) in _HEADERS.items()},
            "securitySchemes": {"key": {"type": "http", "scheme": "bearer", "description": "An API key."}},
        },
    }
    return msgspec.json.encode(document)


def _schemas() -> dict[str, Schema]:
    bodies = [operation.body for operation in OPERATIONS if operation.body]
    answers = [operation.answer for operation in OPERATIONS if isinstance(operation.answer, type)]
    streamed = [operation.stream for operation in OPERATIONS if operation.stream]
    errors = dict.fromkeys(operation.error for operation in OPERATIONS)
    return components(bodies, [*answers, *streamed, *errors])


def _operation(operation: Operation) -> dict[str, Any]:
    described = {
        "operationId": operation.name,
        "tags": [operation.group],
        "summary": operation.summary,
        "description": _described(operation),
        "parameters": [*_path(operation), *_query(operation), *_key(operation)],
        "responses": {str(operation.status): _success(operation), **_errors(operation)},
    }
    if operation.body:
        content = {"schema": schema_of(operation.body), "example": operation.example}
        described["requestBody"] = {"required": True, "content": {"application/json": content}}
    if operation.open:
        described["security"] = []
    return {name: value for name, value in described.items() if value or name == "security"}


def _described(operation: Operation) -> str:
    needs = f"Needs a key with the scope `{operation.scope}`." if operation.scope else ""
    return " ".join(filter(None, (operation.description, "Needs no key." if operation.open else needs)))


def _path(operation: Operation) -> list[Any]:
    types = operation.path_types or {}
    return [
        {"name": name, "in": "path", "required": True, "schema": schema_of(types[name])}
        for name in re.findall(r"\{(\w+)\}", operation.path)
    ]


def _query(operation: Operation) -> list[Any]:
    """The query's parameters: lists are separated by commas, and there is no null."""
    if operation.query is None:
        return []
    properties = components([operation.query], [])[operation.query.__name__]["properties"]
    return [
        {"name": name, "in": "query", "schema": _not_null(schema), "style": "form", "explode": False}
        for name, schema in properties.items()
    ]


def _not_null(schema: Schema) -> Schema:
    options = [option for option in schema.get("anyOf", ()) if option != {"type": "null"}]
    if len(options) != 1:
        return schema
    return {**{name: value for name, value in schema.items() if name != "anyOf"}, **options[0]}


def _key(operation: Operation) -> list[Any]:
    if not operation.idempotent:
        return []
    text = "An id that the client chooses for this request. A retry with the same id and body gets the first response."
    schema = {"type": "string", "pattern": "^[!-~]{1,255}$"}
    return [{"name": "Idempotency-Key", "in": "header", "description": text, "schema": schema}]


def _success(operation: Operation) -> dict[str, Any]:
    if operation.answer == "application/json":
        content: dict[str, Any] = {"application/json": {"schema": {"type": "object"}}}
    elif isinstance(operation.answer, str):
        content = {operation.answer: {"schema": {"type": "string"}}}
    else:
        content = {"application/json": {"schema": schema_of(operation.answer)}}
    if operation.stream:
        content["text/event-stream"] = {"schema": _event(operation)}
    ignored = operation.body is not None and issubclass(operation.body, Sampling)
    names = [
        *_COMMON_HEADERS,
        *(["x-ignored-params"] if ignored else []),
        *(_COMPLETION_HEADERS if operation.stream else ()),
    ]
    return {"description": operation.summary + ".", "headers": _headers(names), "content": content}


def _event(operation: Operation) -> Schema:
    """One event of a stream: OpenAPI 3.1 cannot describe a sequence of events."""
    held = schema_of(operation.stream)
    if operation.done:
        held = {"anyOf": [held, schema_of(ErrorBody)]}
    json = {"type": "string", "contentMediaType": "application/json", "contentSchema": held}
    if not operation.done:
        return _event_object(json)
    data = {"anyOf": [json, {"const": "[DONE]"}], "description": "JSON; an error ends the stream, else `[DONE]` does."}
    return _event_object(data)


def _event_object(data: Schema) -> Schema:
    description = "Server-sent events; this describes each."
    return {"type": "object", "description": description, "required": ["data"], "properties": {"data": data}}


def _errors(operation: Operation) -> dict[str, Any]:
    responses = {}
    for status, codes in operation.codes.items():
        names = [*_COMMON_HEADERS, "x-should-retry"]
        names += ["retry-after", "retry-after-ms"] if status in (429, 503, 529) else []
        names += ["www-authenticate"] if status == 401 else []
        names += _RATE_LIMIT_HEADERS if operation.stream and status not in _UNCOUNTED else ()
        responses[str(status)] = {
            "description": ", ".join(f"`{code}`" for code in codes),
            "headers": _headers(names),
            "content": {"application/json": {"schema": schema_of(operation.error)}},
        }
    return responses


def _headers(names: Iterable[str]) -> dict[str, Any]:
    return {name: {"$ref": f"#/components/headers/{name}"} for name in names}
