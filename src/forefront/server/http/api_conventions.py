"""The conventions of an API for every request and response, also of middleware: the error body and header names."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Final

import msgspec
from starlette.types import Scope

from forefront.server.http.headers import header
from forefront.wire.errors import ERRORS, RequestError


def _openai_error(error: RequestError, _request_id: str) -> bytes:
    return msgspec.json.encode(error.body())


def _openai_status(code: str) -> int:
    return ERRORS[code].status


@dataclass(frozen=True, slots=True)
class ApiConventions:
    """`encode_error` makes the JSON body of an error from it and the request's id; `status` is the HTTP status of an
    error code. `key_header` is a request header that may hold the API key in place of `authorization: Bearer`.
    `request_id_headers` are the response headers with the request's id. On `shared_paths`, and below them, the
    conventions hold for requests with the header `version_header`. Header names are in lower case."""

    encode_error: Callable[[RequestError, str], bytes] = _openai_error
    key_header: bytes | None = None
    request_id_headers: tuple[bytes, ...] = (b"x-request-id",)
    status: Callable[[str], int] = _openai_status
    version_header: bytes | None = None
    shared_paths: tuple[str, ...] = ()


OPENAI: Final = ApiConventions()
# By the path that begins an API's URLs. All other paths follow `OPENAI`.
Conventions = Mapping[str, ApiConventions]


def conventions_for(scope: Scope, table: Conventions) -> ApiConventions:
    """The conventions of a request: those of the API whose prefix its path is, or lies below."""
    path = scope["path"]
    for prefix, conventions in table.items():
        if path.startswith(prefix) and _is_below(path, prefix):
            return conventions
        if path.startswith(conventions.shared_paths):
            name = conventions.version_header
            if any(_is_below(path, shared) for shared in conventions.shared_paths) and name and header(scope, name):
                return conventions
    return OPENAI


def _is_below(path: str, prefix: str) -> bool:
    return path.startswith(prefix) and path[len(prefix) : len(prefix) + 1] in ("", "/")
