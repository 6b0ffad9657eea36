"""One file of the web pages: compressed forms, caching headers, and the answer to a conditional request."""

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Final

from starlette.requests import Request
from starlette.responses import Response

from forefront.server.http.headers import list_members
from forefront.server.sending.send_body import ChunkedResponse

# Content codings in the order of preference, with the endings of their files.
CODINGS: Final = {"br": ".br", "gzip": ".gz"}


@dataclass(frozen=True, slots=True)
class StaticFile:
    """A file that never changes while the server runs. `coded` has its content by content coding (RFC 9110, 8.4).
    `headers` are sent with every answer."""

    content: bytes
    media_type: str
    coded: Mapping[str, bytes] = field(default_factory=dict)
    headers: Mapping[str, str] = field(default_factory=dict)
    _tags: dict[str | None, str] = field(init=False)  # by content coding

    def __post_init__(self) -> None:
        contents: dict[str | None, bytes] = {None: self.content}
        contents.update(self.coded)
        tags = {coding: f'"{hashlib.sha256(body).hexdigest()[:32]}"' for coding, body in contents.items()}
        object.__setattr__(self, "_tags", tags)

    def respond(self, request: Request) -> Response:
        """The response to GET or HEAD: 304 where the client has this file. Ranges are not served."""
        coding = _accepted(request.headers.get("accept-encoding", ""), self.coded)
        body = self.coded[coding] if coding else self.content
        tag = self._tags[coding]
        headers = {**self.headers, "etag": tag, "vary": "accept-encoding"}
        if _matches(request.headers.get("if-none-match", ""), tag):
            return Response(status_code=304, headers=headers)
        if coding:
            headers["content-encoding"] = coding
        return ChunkedResponse(body, 200, headers, self.media_type)


def _accepted(header: str, coded: Mapping[str, bytes]) -> str | None:
    """The best of the content codings that the client accepts (RFC 9110, 12.5.3)."""
    accepted: dict[str, bool] = {}
    for part in list_members(header.lower()):
        name, _, parameters = part.partition(";")
        weight = parameters.replace(" ", "").removeprefix("q=")
        accepted[name.strip()] = weight == "" or weight.strip("0.") != ""
    return next((coding for coding in coded if accepted.get(coding, False)), None)


def _matches(header: str, tag: str) -> bool:
    """Whether `If-None-Match` names the tag (RFC 9110, 13.1.2)."""
    return tag in [part.removeprefix("W/") for part in list_members(header)]
