"""Answers together with the HTTP responses that brought them."""

from collections.abc import Callable, Mapping
from typing import Generic, Protocol, TypeVar

from forefront.client.transport.response import Reply

T = TypeVar("T")


class Head(Protocol):
    """What is known of a response before its body."""

    @property
    def status(self) -> int: ...
    @property
    def headers(self) -> Mapping[str, str]: ...
    @property
    def request_id(self) -> str | None: ...
    @property
    def retries(self) -> int: ...


class RawResponse(Generic[T]):
    """What `with_raw_response` gives: status and headers, and by `parse()` what the plain method returns.

    `headers` are looked up by their lower-case names. `retries` tells how many tries had failed before. `content` is
    the body, empty for a stream, whose body is still to come.
    """

    def __init__(self, head: Head, make: Callable[[], T], content: bytes = b"") -> None:
        self.status_code = head.status
        self.headers = head.headers
        self.request_id = head.request_id
        self.retries = head.retries
        self.content = content
        self._make = make
        self._made: list[T] = []

    def parse(self) -> T:
        """The answer; the same object each time. Raises `APIError` when the body is none."""
        if not self._made:
            self._made.append(self._make())
        return self._made[0]


def raw(reply: Reply, read: Callable[[Reply], T]) -> RawResponse[T]:
    """A whole answer."""
    return RawResponse(reply, lambda: read(reply), reply.body)
