"""A whole HTTP response as plain data."""

from collections.abc import Mapping
from dataclasses import dataclass, field

import msgspec


@dataclass(frozen=True, slots=True)
class HTTPResponse:
    """A response of the server at `base_url`. `headers` have lower-case names. `retries` counts failed attempts."""

    base_url: str
    status: int
    headers: Mapping[str, str]
    body: bytes = field(repr=False)
    retries: int = 0

    @property
    def request_id(self) -> str | None:
        """The server's ID of the request."""
        return self.headers.get("x-request-id")

    @property
    def media_type(self) -> str:
        """For example `application/json`; empty without a content type."""
        return self.headers.get("content-type", "").partition(";")[0].strip().lower()

    def json(self) -> object:
        """The value of the body, or None when it is not JSON."""
        try:
            return msgspec.json.decode(self.body)
        except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
            return None
