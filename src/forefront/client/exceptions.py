"""The exceptions of the SDK, in one tree.

```text
ForefrontError                        base class; itself for a setup that cannot work
├── InvalidArgumentError              an argument that cannot be sent; also a TypeError and a ValueError
├── ParseError                        the completion does not match the format given to `parse`
└── APIError                          a failed request
    ├── APIConnectionError            no complete response: connection refused, unknown host, cut off
    │   └── APITimeoutError           no complete response within the time limit
    └── APIStatusError                the server responded with an error
        ├── BadRequestError           400  malformed, incomplete or unsupported
        │   └── UnprocessableEntityError  422  wrong type, out of range or misspelt field
        ├── AuthenticationError       401  missing or invalid key
        ├── PermissionDeniedError     403  out of credits
        ├── NotFoundError             404  unknown model or path
        ├── ConflictError             409  conflict with another request
        ├── RateLimitError            429  rate limit exceeded
        └── InternalServerError       5xx  server error
```
"""

from collections.abc import Mapping
from typing import Any

from forefront.wire.completions.response import ChatCompletion


class ForefrontError(Exception):
    """Base class of all exceptions of this package.

    Raised itself for a setup that cannot work: no API key, unusable proxy settings or certificates, a closed client.
    """


class InvalidArgumentError(ForefrontError, TypeError, ValueError):
    """An argument has the wrong type, an unusable value, or no JSON form. Nothing was sent.

    It is a `TypeError` and a `ValueError` too, so that code that catches those keeps working.
    """


class ParseError(ForefrontError):
    """The completion does not match the format given to `parse`: not JSON, cut off by `max_tokens`, or another schema.

    `completion` is the whole completion; `__cause__` is the validation error.
    """

    def __init__(self, message: str, completion: ChatCompletion) -> None:
        super().__init__(message, completion)
        self.message = message
        self.completion = completion

    def __str__(self) -> str:
        return self.message


class APIError(ForefrontError):
    """A failed request.

    `message` is for humans, `code` (`model_not_found`) for programs. `param` is the path of the faulty field
    (`messages[0].role`). `request_id` identifies the request in the server's log.
    """

    def __init__(
        self, message: str, *, code: str | None = None, param: str | None = None, request_id: str | None = None
    ) -> None:
        super().__init__(message)
        self.message = message
        self.code = code
        self.param = param
        self.request_id = request_id

    def __str__(self) -> str:
        details = [self._summary(), f"request {self.request_id}" if self.request_id else ""]
        shown = ", ".join(detail for detail in details if detail)
        return f"{self.message} ({shown})" if shown else self.message

    def __reduce__(self) -> tuple[Any, ...]:
        # Pickle rebuilds an exception from its positional arguments alone, which lacks the keyword-only ones.
        return _restore, (type(self), self.args, self.__dict__)

    def _summary(self) -> str:
        return self.code or ""


def _restore(kind: type[APIError], args: tuple[Any, ...], state: dict[str, Any]) -> APIError:
    error = kind.__new__(kind, *args)
    error.__dict__.update(state)
    return error


class APIConnectionError(APIError):
    """No complete response: the connection was refused, the host is unknown, or the response was cut off."""


class APITimeoutError(APIConnectionError):
    """No complete response within the time limit. `total`: `Timeout.total` has passed, so there was no retry."""

    def __init__(self, message: str, *, request_id: str | None = None, total: bool = False) -> None:
        super().__init__(message, request_id=request_id)
        self.total = total


class APIStatusError(APIError):
    """The server responded with an error.

    `status_code` is the HTTP status; for an error inside a stream, which began with 200, the status of its code.
    `body` is the response's body: the value of its JSON, else its text. `retry_after` is the wait in seconds that the
    server requests, or None. `headers` have lower-case names.
    """

    def __init__(
        self,
        message: str,
        *,
        status_code: int,
        body: object = None,
        code: str | None = None,
        param: str | None = None,
        request_id: str | None = None,
        retry_after: float | None = None,
        headers: Mapping[str, str] | None = None,
    ) -> None:
        super().__init__(message, code=code, param=param, request_id=request_id)
        self.status_code = status_code
        self.body = body
        self.retry_after = retry_after
        self.headers = dict(headers or {})

    def _summary(self) -> str:
        status = f"{self.status_code} {self.code}" if self.code else str(self.status_code)
        return status if self.retry_after is None else f"{status}, retry after {round(self.retry_after, 3):g} s"


class BadRequestError(APIStatusError):
    """400: the request is malformed, incomplete or unsupported."""


class AuthenticationError(APIStatusError):
    """401: the API key is missing or invalid."""


class PermissionDeniedError(APIStatusError):
    """403: the key lacks a permission, or is out of credits."""


class NotFoundError(APIStatusError):
    """404: unknown model or path."""


class ConflictError(APIStatusError):
    """409: conflict with another request, such as one that cancelled this one."""


class UnprocessableEntityError(BadRequestError):
    """422: a field has the wrong type, is out of range or misspelt. A `BadRequestError` too, since other servers answer
    400 here."""


class RateLimitError(APIStatusError):
    """429: rate limit exceeded."""


class InternalServerError(APIStatusError):
    """500 and above: server error."""


_BY_STATUS: dict[int, type[APIStatusError]] = {
    400: BadRequestError,
    401: AuthenticationError,
    403: PermissionDeniedError,
    404: NotFoundError,
    409: ConflictError,
    422: UnprocessableEntityError,
    429: RateLimitError,
}


def exception_for(status: int) -> type[APIStatusError]:
    """The exception class for an HTTP status."""
    return _BY_STATUS.get(status, InternalServerError if status >= 500 else APIStatusError)
