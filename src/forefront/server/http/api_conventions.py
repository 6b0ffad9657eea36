"""The conventions of an API for every request and response, also of middleware: the error body and header names."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Final

import msgspec

from forefront.wire.errors import ApiError


def _openai_error(error: ApiError, _request_id: str) -> bytes:
    return msgspec.json.encode(error.body())


@dataclass(frozen=True, slots=True)
class ApiConventions:
    """`encode_error` makes the JSON body of an error from it and the request's id. `key_header` is a request header
    that may hold the API key in place of `authorization: Bearer`. `request_id_headers` are the response headers with
    the request's id. Header names are in lower case."""

    encode_error: Callable[[ApiError, str], bytes] = _openai_error
    key_header: bytes | None = None
    request_id_headers: tuple[bytes, ...] = (b"x-request-id",)


OPENAI: Final = ApiConventions()
# By the path that begins an API's URLs. All other paths follow `OPENAI`.
Conventions = Mapping[str, ApiConventions]


def conventions_for(path: str, table: Conventions) -> ApiConventions:
    """The conventions of a path: those of the API whose prefix it is, or lies below."""
    for prefix, conventions in table.items():
        if path.startswith(prefix) and path[len(prefix) : len(prefix) + 1] in ("", "/"):
            return conventions
    return OPENAI
