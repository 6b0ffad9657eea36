"""Errors of the API: the table of codes, the error body, and the exception that carries both.

The server takes HTTP statuses from the table and the SDKs choose exceptions by it. `RequestError` itself knows no HTTP.
Body of every error: `{"error": {"message", "type", "param", "code"}}`.
"""

from typing import Final, Literal, NamedTuple

from forefront.wire.record import Record


class ErrorKind(NamedTuple):
    """The HTTP status and the `type` of an error code."""

    status: int
    type: str


# Statuses as published: 400 missing or malformed, 401 no valid key, 403 out of credits,
# 404 unknown model or path, 422 wrong type or out of range, 429 over a limit, 5xx the server's fault.
ERRORS: Final[dict[str, ErrorKind]] = {
    "invalid_http": ErrorKind(400, "invalid_request_error"),
    "invalid_json": ErrorKind(400, "invalid_request_error"),
    "missing_parameter": ErrorKind(400, "invalid_request_error"),
    "unsupported_parameter": ErrorKind(400, "invalid_request_error"),
    "context_length_exceeded": ErrorKind(400, "invalid_request_error"),
    "incomplete_body": ErrorKind(400, "invalid_request_error"),
    "invalid_api_key": ErrorKind(401, "authentication_error"),
    "insufficient_credits": ErrorKind(403, "permission_error"),
    "insufficient_scope": ErrorKind(403, "permission_error"),
    "storage_full": ErrorKind(403, "permission_error"),
    "model_not_allowed": ErrorKind(403, "permission_error"),
    "not_found": ErrorKind(404, "not_found_error"),
    "model_not_found": ErrorKind(404, "not_found_error"),
    "unknown_url": ErrorKind(404, "not_found_error"),
    "method_not_allowed": ErrorKind(405, "invalid_request_error"),
    "request_timeout": ErrorKind(408, "invalid_request_error"),
    "deadline_exceeded": ErrorKind(408, "invalid_request_error"),
    "request_cancelled": ErrorKind(409, "invalid_request_error"),
    "headers_too_large": ErrorKind(431, "invalid_request_error"),
    "body_too_large": ErrorKind(413, "invalid_request_error"),
    "target_too_long": ErrorKind(414, "invalid_request_error"),
    "unsupported_media_type": ErrorKind(415, "invalid_request_error"),
    "invalid_type": ErrorKind(422, "invalid_request_error"),
    "invalid_value": ErrorKind(422, "invalid_request_error"),
    "form_failed": ErrorKind(422, "invalid_request_error"),
    "unknown_parameter": ErrorKind(422, "invalid_request_error"),
    "idempotency_key_reused": ErrorKind(422, "invalid_request_error"),
    "rate_limit_exceeded": ErrorKind(429, "rate_limit_error"),
    "internal_error": ErrorKind(500, "server_error"),
    "engine_failed": ErrorKind(500, "server_error"),
    "upstream_failed": ErrorKind(502, "server_error"),
    "upstream_unavailable": ErrorKind(503, "server_error"),
    "overloaded": ErrorKind(503, "server_error"),
    "not_ready": ErrorKind(503, "server_error"),
    "model_unavailable": ErrorKind(503, "server_error"),
    "store_unavailable": ErrorKind(503, "server_error"),
    "shutting_down": ErrorKind(503, "server_error"),
}


class ErrorDetail(Record, kw_only=True):
    """An error: a `message` for people, a `code` for programs, and the request field (`param`) at fault."""

    message: str
    type: str
    param: str | None = None
    code: str | None = None


class ErrorBody(Record, kw_only=True):
    """The body of every response that is not a success."""

    error: ErrorDetail


class RateLimitState(NamedTuple):
    """One rate limit: requests or tokens per 60 seconds, how many remain, and the seconds until all are available."""

    unit: Literal["requests", "tokens"]
    limit: int
    remaining: int
    reset_seconds: float


class RequestError(Exception):
    """A request that is refused or has failed. Raised on every layer; `server/http/error_response.py` makes a response
    of it.

    `code` is a key of `ERRORS`. `message` is sent to the client as it is, so it holds nothing internal. `param` is the
    path of the request field (`messages[0].role`). `retryable` overrides the default of the status; `retry_after` is in
    seconds. `queue_position` is the number of waiting requests. `rate_limits` are the limits of the API key and its
    project.
    """

    def __init__(
        self,
        code: str,
        message: str,
        *,
        param: str | None = None,
        retryable: bool | None = None,
        retry_after: float | None = None,
    ) -> None:
        super().__init__(message)
        if code not in ERRORS:
            raise KeyError(code)
        self.code = code
        self.message = message
        self.param = param
        self.retryable = retryable
        self.retry_after = retry_after
        self.queue_position: int | None = None
        self.rate_limits: tuple[RateLimitState, ...] = ()

    def body(self) -> ErrorBody:
        """The error as a response body or an event of a stream."""
        kind = ERRORS[self.code]
        return ErrorBody(error=ErrorDetail(message=self.message, type=kind.type, param=self.param, code=self.code))


def shutting_down() -> RequestError:
    """The error of requests that are cut off by the server's shutdown."""
    return RequestError("shutting_down", "The server is shutting down.")
