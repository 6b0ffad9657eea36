"""Rules for request heads: a request that two HTTP implementations could frame differently is refused.

The rules are those of RFC 9112, and stricter where nginx, Envoy or h11 disagree with llhttp, which httptools wraps.
"""

import re
from collections.abc import Iterable
from functools import lru_cache
from typing import Final

from starlette.types import ASGIApp, Message, Receive, Scope, Send
from uvicorn.protocols.http.httptools_impl import RequestResponseCycle

_VERSIONS: Final = frozenset({"1.0", "1.1"})
# CONNECT requests a tunnel. The others belong to ICE and HTTP/2, which llhttp reads too.
_REFUSED_METHODS: Final = frozenset({b"CONNECT", b"SOURCE", b"PRI"})
_FRAMING: Final = frozenset({b"host", b"content-length", b"transfer-encoding"})
# A target in absolute form has a host and no user. A name in DNS has 253 characters at most.
_ABSOLUTE = re.compile(rb"https?://[^/?#@]{1,261}(?:/.*)?", re.IGNORECASE)
_ORIGIN = re.compile(rb"https?://[^/?#@]*", re.IGNORECASE)
_HOST = re.compile(rb"(?:[A-Za-z0-9._~!$&'()*+,;=%-]{1,255}|\[[A-Za-z0-9.:_~%-]{1,255}\])(?::[0-9]{0,5})?")

# Digits of a content length: one more does not fit into 63 bits.
_MAX_DIGITS: Final = 18


class AmbiguousRequestError(Exception):
    """A request whose head has no certain meaning or framing."""


def check_head(method: bytes, version: str, target: bytes, headers: Iterable[tuple[bytes, bytes]]) -> None:
    """Raise `AmbiguousRequestError` for a head that two implementations could read differently.

    `version` is `"1.1"` for HTTP/1.1. Names of `headers` are in lower case. llhttp has checked the grammar and
    `Content-Length` before.
    """
    if version not in _VERSIONS or method in _REFUSED_METHODS:
        raise AmbiguousRequestError
    if b"#" in target or not (target.startswith(b"/") or _ABSOLUTE.fullmatch(target)):
        raise AmbiguousRequestError
    hosts = codings = 0
    for name, value in headers:
        if name not in _FRAMING:
            continue
        if name == b"host":
            hosts += 1
            if not _is_host(value):
                raise AmbiguousRequestError
        elif name == b"content-length":
            if len(value) > _MAX_DIGITS:
                raise AmbiguousRequestError
        else:
            codings += 1
            if value.strip(b" \t").lower() != b"chunked":
                raise AmbiguousRequestError
    if version == "1.1":
        if hosts != 1 or codings > 1:
            raise AmbiguousRequestError
    elif hosts > 1 or codings:  # HTTP/1.0 has no transfer codings (RFC 9112, 6.1)
        raise AmbiguousRequestError


@lru_cache(256)
def _is_host(value: bytes) -> bool:
    return _HOST.fullmatch(value.strip(b" \t")) is not None


def path_and_query(target: bytes) -> bytes:
    """The target of a request without the scheme and host that it has in absolute form."""
    match = _ORIGIN.match(target)
    return target if match is None else target[match.end() :]


def is_rtsp(target: bytes, content: bytes) -> bool:
    """Whether a request line in `content` with this target is RTSP's. llhttp accepts those without notice."""
    at = content.find(b" RTSP/")
    while at >= 0:
        end = at
        while content[end - 1 : end] == b" ":
            end -= 1
        if content.endswith(target, 0, end):
            return True
        at = content.find(b" RTSP/", at + 1)
    return False


def head_without_upgrade(method: bytes, version: str, target: bytes, headers: Iterable[tuple[bytes, bytes]]) -> bytes:
    """The head of a request as bytes, without the upgrade that it offers (RFC 9110, 7.8)."""
    lines = [b"%s %s HTTP/%s" % (method, target, version.encode())]
    lines += [b"%s: %s" % (name, value) for name, value in headers if name != b"upgrade"]
    return b"\r\n".join([*lines, b"", b""])


def close_delimited(cycle: RequestResponseCycle, app: ASGIApp) -> ASGIApp:
    """`app` for an HTTP/1.0 client: a response without a length is not chunked, and ends with the connection."""

    async def answer(scope: Scope, receive: Receive, send: Send) -> None:
        sized = True

        async def send_plain(message: Message) -> None:
            nonlocal sized
            if message["type"] == "http.response.start":
                sized = any(name.lower() == b"content-length" for name, _ in message.get("headers", ()))
                if not sized:
                    cycle.chunked_encoding = False
            elif not sized:
                cycle.expected_content_length = len(message.get("body", b""))
            await send(message)

        await app(scope, receive, send_plain)

    return answer


def closing_unread(cycle: RequestResponseCycle, app: ASGIApp) -> ASGIApp:
    """`app` for a client that expects `100 Continue`: an answer without it ends the connection.

    Such a client may leave the body out (RFC 9110, 10.1.1), so its next request would be read as that body.
    """

    async def answer(scope: Scope, receive: Receive, send: Send) -> None:
        async def send_last(message: Message) -> None:
            if cycle.waiting_for_100_continue and cycle.more_body:
                cycle.keep_alive = False
            await send(message)

        await app(scope, receive, send_last)

    return answer
