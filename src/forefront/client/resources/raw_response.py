"""Results with their HTTP responses."""

from collections.abc import Callable, Mapping
from typing import Generic, Protocol, TypeVar

from forefront.client.transport.response import HTTPResponse

T = TypeVar("T")


class ResponseHead(Protocol):
    """A response without its body."""

    @property
    def status(self) -> int: ...
    @property
    def headers(self) -> Mapping[str, str]: ...
    @property
    def request_id(self) -> str | None: ...
    @property
    def retries(self) -> int: ...


class RawResponse(Generic[T]):
    """A result of `with_raw_response`: status and headers, and with `parse()` the result of the plain method.

    `headers` have lower-case names. `retries` is the number of failed attempts before. `content` is the body, empty for
    a stream.
    """

    def __init__(self, head: ResponseHead, build: Callable[[], T], content: bytes = b"") -> None:
        self.status_code = head.status
        self.headers = head.headers
        self.request_id = head.request_id
        self.retries = head.retries
        self.content = content
        self._build = build
        self._result: list[T] = []

    def parse(self) -> T:
        """The result; the same object each time. Raises `APIError` for a body of another format."""
        if not self._result:
            self._result.append(self._build())
        return self._result[0]


def raw_response(response: HTTPResponse, read: Callable[[HTTPResponse], T]) -> RawResponse[T]:
    """A raw response with its whole body."""
    return RawResponse(response, lambda: read(response), response.body)
