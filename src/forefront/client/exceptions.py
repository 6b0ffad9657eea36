"""What the SDK raises, in one tree.

    ForefrontError                        all of it; itself for settings that cannot work
    ├── ParseError                        an answer came, but is not what `parse` was asked for
    └── APIError                          a request that did not succeed
        ├── APIConnectionError            no whole answer came: refused, no such host, cut off
        │   └── APITimeoutError           … none within the time allowed
        └── APIStatusError                the server answered with an error
            ├── BadRequestError           400  malformed, incomplete, or asks for what cannot be done
            │   └── UnprocessableEntityError  422  a field has the wrong type, is out of range or misspelt
            ├── AuthenticationError       401  no valid key
            ├── PermissionDeniedError     403  out of credits
            ├── NotFoundError             404  unknown model or path
            ├── ConflictError             409  at odds with another request
            ├── RateLimitError            429  over a limit
            └── InternalServerError       5xx  the server's fault

Arguments that cannot be sent at all are a `TypeError` or a `ValueError`, as of any function.
"""

from collections.abc import Mapping
from typing import Any

from forefront.wire.response import ChatCompletion


class ForefrontError(Exception):
    """Everything that this package raises of its own."""


class ParseError(ForefrontError):
    """The answer is not what `parse` was asked for: no JSON, cut off by `max_tokens`, or of another form.

    `completion` is the answer as it came; `__cause__` is what the reader of the form said.
    """

    def __init__(self, message: str, completion: ChatCompletion) -> None:
        super().__init__(message, completion)
        self.message = message
        self.completion = completion

    def __str__(self) -> str:
        return self.message


class APIError(ForefrontError):
    """A request that did not succeed.

    `message` is for people and `code` (`model_not_found`) for programs; `param` names the request's field that is to
    blame, as a path (`messages[0].role`); `request_id` finds the request in the server's log.
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
        facts = [self._kind(), f"request {self.request_id}" if self.request_id else ""]
        shown = ", ".join(fact for fact in facts if fact)
        return f"{self.message} ({shown})" if shown else self.message

    def __reduce__(self) -> tuple[Any, ...]:
        # An exception is otherwise made again from its positional arguments alone, which fails between processes.
        return _revive, (type(self), self.args, self.__dict__)

    def _kind(self) -> str:
        return self.code or ""


def _revive(kind: type[APIError], args: tuple[Any, ...], state: dict[str, Any]) -> APIError:
    error = kind.__new__(kind, *args)
    error.__dict__.update(state)
    return error


class APIConnectionError(APIError):
    """No whole answer came: the connection was refused, the host not found, or the answer cut off."""


class APITimeoutError(APIConnectionError):
    """Nothing came within the time allowed. `total`: the time of the whole call is over, so there was no other try."""

    def __init__(self, message: str, *, request_id: str | None = None, total: bool = False) -> None:
        super().__init__(message, request_id=request_id)
        self.total = total


class APIStatusError(APIError):
    """The server answered with an error.

    `status_code` is the HTTP status. An error inside a stream, which began with 200, has the status of its code.
    `body` is the response's body: what its JSON says, else its text. `retry_after` is how many seconds the server asks
    to wait, None when it does not say. `headers` are looked up by their lower-case names.
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

    def _kind(self) -> str:
        kind = f"{self.status_code} {self.code}" if self.code else str(self.status_code)
        return kind if self.retry_after is None else f"{kind}, retry after {round(self.retry_after, 3):g} s"


class BadRequestError(APIStatusError):
    """400: the request is malformed, incomplete, or asks for what cannot be done."""


class AuthenticationError(APIStatusError):
    """401: there is no key, or it is not valid."""


class PermissionDeniedError(APIStatusError):
    """403: the key is valid but may not do this, or is out of credits."""


class NotFoundError(APIStatusError):
    """404: there is no such model or path."""


class ConflictError(APIStatusError):
    """409: the request is at odds with another one, as servers of other makes say it."""


class UnprocessableEntityError(BadRequestError):
    """422: a field has the wrong type, is out of range or misspelt. A `BadRequestError` too, since other servers answer
    400 here."""


class RateLimitError(APIStatusError):
    """429: over a limit."""


class InternalServerError(APIStatusError):
    """500 and above: the server's fault."""


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
    """The class that stands for an HTTP status."""
    return _BY_STATUS.get(status, InternalServerError if status >= 500 else APIStatusError)
