"""One operation of the API: a method on a path, its types and errors."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Annotated, Any

import msgspec
from msgspec import Meta

from forefront.wire.errors import ERRORS, ErrorBody

# Groups of error codes.
ALWAYS = ("request_timeout", "target_too_long", "headers_too_large", "internal_error", "overloaded")
GUARDED = ("invalid_api_key",)
BODY = (
    "invalid_json", "incomplete_body", "missing_parameter", "body_too_large", "unsupported_media_type", "invalid_type",
    "invalid_value", "unknown_parameter", "rate_limit_exceeded",
)  # fmt: skip
STORE = ("store_unavailable",)
PROMPT = (
    "unsupported_parameter",
    "context_length_exceeded",
    "model_not_allowed",
    "model_not_found",
    "model_unavailable",
    "engine_failed",
    "form_failed",
    "upstream_failed",
    "upstream_unavailable",
)
LIMITS = (
    "insufficient_credits",
    "rate_limit_exceeded",
    "deadline_exceeded",
    "request_cancelled",
    "shutting_down",
    *STORE,
)
TOKENS = (*PROMPT, "rate_limit_exceeded", "shutting_down", *STORE)
QUERY = ("invalid_type", "invalid_value", "unknown_parameter")
NOT_FOUND = ("not_found", "unknown_url")

PathId = Annotated[str, Meta(min_length=1)]


def _status(code: str) -> int:
    return ERRORS[code].status


@dataclass(frozen=True, slots=True, kw_only=True)
class Operation:
    """`answer` is the body of a success: a type that is sent as JSON, or a media type. `stream` is the type of a
    server-sent event, or a union of types; after the last one comes `[DONE]`, unless `done` is false. `example` is
    an example of `body`. `path_types` are the types of the path's parameters; the fields of `query` are those of
    the query. `errors` are codes of `ERRORS`, `error` is the type of their body, `status_of` their HTTP status.
    `scope` is what a key needs, None where any key is enough; `open` operations need no key."""

    method: str
    path: str
    group: str
    name: str
    summary: str
    answer: Any
    description: str = ""
    status: int = 200
    body: type[msgspec.Struct] | None = None
    example: Any = None
    query: type[msgspec.Struct] | None = None
    path_types: dict[str, Any] | None = None
    stream: Any = None
    done: bool = True
    idempotent: bool = False
    errors: tuple[str, ...] = ()
    error: type[msgspec.Struct] = ErrorBody
    status_of: Callable[[str], int] = _status
    scope: str | None = None
    open: bool = False

    @property
    def codes(self) -> dict[int, list[str]]:
        """All error codes of the operation, by status."""
        found: dict[int, list[str]] = {}
        guarded = () if self.open else (*GUARDED, *(("insufficient_scope",) if self.scope else ()))
        idempotency = ("invalid_value", "idempotency_key_reused") if self.idempotent else ()
        for code in dict.fromkeys((*self.errors, *guarded, *(BODY if self.body else ()), *idempotency, *ALWAYS)):
            found.setdefault(self.status_of(code), []).append(code)
        return dict(sorted(found.items()))
