"""The document, put together from the table of operations and the types that it names."""

import re
from collections.abc import Iterable
from functools import cache
from importlib.metadata import version
from typing import Any, Final

import msgspec

from forefront.server.openapi.operation import Operation
from forefront.server.openapi.operations import OPERATIONS
from forefront.server.openapi.schemas import Schema, components, schema_of
from forefront.wire.errors import ErrorBody
from forefront.wire.request import SampledRequest

_ABOUT: Final = """\
A chat-completions platform: one process that serves language models, with keys, limits, budgets and a ledger.

**Fields.** `null` means the same as leaving a field out. Unknown fields of requests for completions are let through and
named in the header `x-ignored-params`; at most 64 of them. A field whose name is nearly that of a known one
(`temprature`) is refused with a 422 that names both, since ignoring it would be a lie. Unknown fields of
administrators' requests are refused.

**Errors.** Every error has the same body, `ErrorBody`. `code` is for programs, `param` names the field. The headers
`x-should-retry` and `retry-after` say whether and when to try again.\
"""
_HEADERS: Final[dict[str, tuple[str, Schema]]] = {
    "x-request-id": ("The request's id: the client's own, or one that was made.", {"type": "string"}),
    "openai-processing-ms": ("Milliseconds until the answer began.", {"type": "integer", "minimum": 0}),
    "x-should-retry": ("Whether another try may succeed.", {"enum": ["true", "false"]}),
    "retry-after": ("Seconds after which to try again.", {"type": "integer", "minimum": 0}),
    "retry-after-ms": ("The same in milliseconds.", {"type": "integer", "minimum": 0}),
    "www-authenticate": ("How to say who asks.", {"type": "string"}),
    "x-ignored-params": ("The fields that had no effect, separated by commas.", {"type": "string"}),
    "x-unenforced-keywords": (
        "The keywords of schemas, as paths, that did not bind the answer, separated by commas.",
        {"type": "string", "maxLength": 2100},
    ),
    "idempotent-replayed": ("The answer is that of an earlier request.", {"enum": ["true"]}),
    "x-ratelimit-limit-requests": ("Requests within any 60 seconds.", {"type": "integer", "minimum": 0}),
    "x-ratelimit-limit-tokens": ("Tokens within any 60 seconds.", {"type": "integer", "minimum": 0}),
    "x-ratelimit-remaining-requests": ("How many are left.", {"type": "integer", "minimum": 0}),
    "x-ratelimit-remaining-tokens": ("How many are left.", {"type": "integer", "minimum": 0}),
    "x-ratelimit-reset-requests": ("Until all are there again.", {"type": "string", "pattern": r"^[0-9.]+s$"}),
    "x-ratelimit-reset-tokens": ("Until all are there again.", {"type": "string", "pattern": r"^[0-9.]+s$"}),
}
_ALWAYS: Final = ("x-request-id", "openai-processing-ms")
_RATES: Final = tuple(name for name in _HEADERS if "ratelimit" in name)
_OF_COMPLETIONS: Final = ("x-unenforced-keywords", "idempotent-replayed", *_RATES)
# What is refused before a request has been counted.
_UNCOUNTED: Final = frozenset({401, 404, 413, 415})


@cache
def build_document() -> bytes:
    """The document's JSON, made once."""
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
    asked = [operation.body for operation in OPERATIONS if operation.body]
    answers = [operation.answer for operation in OPERATIONS if isinstance(operation.answer, type)]
    streamed = [operation.stream for operation in OPERATIONS if operation.stream]
    return components(asked, [*answers, *streamed, ErrorBody])


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
    text = "A text of one's own for this request. Sent again with the same body, it gets the first one's answer."
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
        content["text/event-stream"] = {"schema": _event(operation.stream)}
    ignored = operation.body is not None and issubclass(operation.body, SampledRequest)
    names = [*_ALWAYS, *(["x-ignored-params"] if ignored else []), *(_OF_COMPLETIONS if operation.stream else ())]
    return {"description": operation.summary + ".", "headers": _headers(names), "content": content}


def _event(type_: type[msgspec.Struct]) -> Schema:
    """One event of a stream, as this version of OpenAPI has no way to describe a sequence of them."""
    held = {"anyOf": [schema_of(type_), schema_of(ErrorBody)]}
    json = {"type": "string", "contentMediaType": "application/json", "contentSchema": held}
    data = {"anyOf": [json, {"const": "[DONE]"}], "description": "JSON; an error ends the stream, else `[DONE]` does."}
    description = "Server-sent events; this describes each."
    return {"type": "object", "description": description, "required": ["data"], "properties": {"data": data}}


def _errors(operation: Operation) -> dict[str, Any]:
    responses = {}
    for status, codes in operation.codes.items():
        names = [*_ALWAYS, "x-should-retry"]
        names += ["retry-after"] if status in (429, 503) else ["www-authenticate"] if status == 401 else []
        names += ["retry-after-ms"] if status == 429 else []
        names += _RATES if operation.stream and status not in _UNCOUNTED else ()
        responses[str(status)] = {
            "description": ", ".join(f"`{code}`" for code in codes),
            "headers": _headers(names),
            "content": {"application/json": {"schema": schema_of(ErrorBody)}},
        }
    return responses


def _headers(names: Iterable[str]) -> dict[str, Any]:
    return {name: {"$ref": f"#/components/headers/{name}"} for name in names}
