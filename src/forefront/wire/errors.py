"""The one table of errors: the server renders bodies from it, and the SDKs raise from the same codes.

Body shape, for every error of the API: `{"error": {"message", "type", "param", "code"}}`.
"""

from collections.abc import Mapping
from typing import Final

import msgspec

from forefront.wire.record import Record

# code → (HTTP status, type). Statuses as published: 400 missing or malformed, 401 no valid key, 403 out of credits,
# 404 unknown model or path, 422 wrong type or out of range, 429 over a limit, 5xx the server's fault.
ERRORS: Final[dict[str, tuple[int, str]]] = {
    "invalid_http": (400, "invalid_request_error"),
    "invalid_json": (400, "invalid_request_error"),
    "missing_parameter": (400, "invalid_request_error"),
    "unsupported_parameter": (400, "invalid_request_error"),
    "context_length_exceeded": (400, "invalid_request_error"),
    "incomplete_body": (400, "invalid_request_error"),
    "invalid_api_key": (401, "authentication_error"),
    "insufficient_credits": (403, "permission_error"),
    "insufficient_scope": (403, "permission_error"),
    "model_not_allowed": (403, "permission_error"),
    "not_found": (404, "not_found_error"),
    "model_not_found": (404, "not_found_error"),
    "unknown_url": (404, "not_found_error"),
    "method_not_allowed": (405, "invalid_request_error"),
    "request_timeout": (408, "invalid_request_error"),
    "deadline_exceeded": (408, "invalid_request_error"),
    "headers_too_large": (431, "invalid_request_error"),
    "body_too_large": (413, "invalid_request_error"),
    "unsupported_media_type": (415, "invalid_request_error"),
    "invalid_type": (422, "invalid_request_error"),
    "invalid_value": (422, "invalid_request_error"),
    "form_failed": (422, "invalid_request_error"),
    "unknown_parameter": (422, "invalid_request_error"),
    "idempotency_key_reused": (422, "invalid_request_error"),
    "rate_limit_exceeded": (429, "rate_limit_error"),
    "internal_error": (500, "server_error"),
    "engine_failed": (500, "server_error"),
    "overloaded": (503, "server_error"),
    "not_ready": (503, "server_error"),
    "store_unavailable": (503, "server_error"),
    "shutting_down": (503, "server_error"),
}


# Statuses that another try may mend.
_PASSING: Final = frozenset({408, 429, 500, 503})


class ErrorDetail(Record, kw_only=True):
    """What went wrong: a sentence for people, a `code` for programs, and the request field (`param`) it is about."""

    message: str
    type: str
    param: str | None = None
    code: str | None = None


class ErrorBody(Record, kw_only=True):
    """The body of every response that is not a success."""

    error: ErrorDetail


class ApiError(Exception):
    """A request that ends in an error of the table.

    `code` is a key of `ERRORS`; `param` names the field as a path (`messages[0].role`); `message` is sent to the
    client as it stands, so it must hold nothing internal; `headers` go with it, and say beside what
    is given whether to try again (`x-should-retry`), for 429 and 503 when (`retry-after`), unless there is no use in
    it, and for 401 how to say who asks.
    """

    def __init__(
        self, code: str, message: str, *, param: str | None = None, headers: Mapping[str, str] | None = None
    ) -> None:
        super().__init__(message)
        self.status, self.type = ERRORS[code]
        self.headers = {"x-should-retry": "true" if self.status in _PASSING else "false"} | dict(headers or {})
        if self.status in (429, 503) and self.headers["x-should-retry"] == "true":
            self.headers.setdefault("retry-after", "1")
        if self.status == 401:
            self.headers["www-authenticate"] = "Bearer"
        self.code = code
        self.message = message
        self.param = param

    def body(self) -> ErrorBody:
        """The error as it is sent."""
        return ErrorBody(error=ErrorDetail(message=self.message, type=self.type, param=self.param, code=self.code))

    def encode(self) -> bytes:
        """The error's JSON body."""
        return msgspec.json.encode(self.body())


def shutting_down() -> ApiError:
    """What is said to those whom the server's end leaves without an answer."""
    return ApiError("shutting_down", "The server is shutting down.")
