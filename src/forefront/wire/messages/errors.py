"""Errors of the Messages API: the body, and the table of statuses and types where they differ from `ERRORS`."""

from typing import Final, Literal

from forefront.wire.errors import ERRORS, RequestError
from forefront.wire.record import Record, TaggedRecord

ErrorType = Literal[
    "invalid_request_error",
    "authentication_error",
    "billing_error",
    "permission_error",
    "not_found_error",
    "request_too_large",
    "rate_limit_error",
    "timeout_error",
    "api_error",
    "overloaded_error",
]
# By status, after `_STATUSES`; all others below 500 are `invalid_request_error`, above it `api_error`.
_TYPES: Final[dict[int, ErrorType]] = {
    401: "authentication_error",
    402: "billing_error",
    403: "permission_error",
    404: "not_found_error",
    408: "timeout_error",
    413: "request_too_large",
    429: "rate_limit_error",
    529: "overloaded_error",
}
_STATUSES: Final = {"insufficient_credits": 402, "overloaded": 529}


class ErrorDetails(Record, kw_only=True):
    """An error for programs: its code, and what is not supported."""

    error_code: Literal["thread_unsupported_request"]
    unsupported: list[str]


class ErrorObject(Record, kw_only=True, omit_defaults=True):
    """An error: its kind, and a `message` for people that names the field. `details` are set for a `thread`, whose
    clients then send the whole conversation instead."""

    type: ErrorType
    message: str
    details: ErrorDetails | None = None


class MessagesErrorBody(TaggedRecord, kw_only=True, tag="error"):
    """The body of every response of the Messages API that is not a success."""

    error: ErrorObject
    request_id: str


def messages_status(code: str) -> int:
    """The HTTP status of an error code. A field of a wrong type or value is a 400 in this API."""
    status = _STATUSES.get(code, ERRORS[code].status)
    return 400 if status == 422 else status


def error_object(error: RequestError) -> ErrorObject:
    """The error in this API's form: without a field for `param`, which the message names instead."""
    status = messages_status(error.code)
    kind = _TYPES.get(status, "api_error" if status >= 500 else "invalid_request_error")
    message = error.message
    if error.param is not None and f"`{error.param}`" not in message:
        message = f"`{error.param}`: {message}"
    details = None
    if error.code == "unsupported_parameter" and error.param == "thread":
        details = ErrorDetails(error_code="thread_unsupported_request", unsupported=["thread"])
    return ErrorObject(type=kind, message=message, details=details)
