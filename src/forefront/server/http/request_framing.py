"""Which request heads are accepted: a request that two HTTP implementations could frame differently is refused.

The rules are those of RFC 9112, and stricter where nginx, Envoy or h11 disagree with llhttp, which httptools wraps.
"""

import re
from collections.abc import Iterable
from functools import lru_cache
from typing import Final

from starlette.types import ASGIApp, Message, Receive, Scope, Send
from uvicorn.protocols.http.httptools_impl import RequestResponseCycle

_VERSIONS: Final = frozenset({"1.0", "1.1"})
# CONNECT asks for a tunnel. The others belong to ICE and HTTP/2, which llhttp reads too.
_REFUSED_METHODS: Final = frozenset({b"CONNECT", b"SOURCE", b"PRI"})
_FRAMING: Final = frozenset({b"host", b"content-length", b"transfer-encoding"})
# A target in absolute form has a host and no user.
_ABSOLUTE = re.compile(rb"https?://[^/?#@]+(?:/.*)?", re.IGNORECASE)
_HOST = re.compile(rb"(?:[A-Za-z0-9._~!$&'()*+,;=%-]+|\[[A-Za-z0-9.:_~%-]+\])(?::[0-9]*)?")

# Of a length in bytes that everyone can count with: the next digit does not fit 63 bits.
_DIGITS: Final = 18


class UnclearRequestError(Exception):
    """A request that is refused because of its head."""


def check_head(method: bytes, version: str, target: bytes, headers: Iterable[tuple[bytes, bytes]]) -> None:
    """Raise `UnclearRequestError` for a head whose meaning or framing is not certain.

    `version` is `"1.1"` for HTTP/1.1. Names of `headers` are in lower case. llhttp has checked the grammar and
    `Content-Length` before.
    """
    if version not in _VERSIONS or method in _REFUSED_METHODS:
        raise UnclearRequestError
    if b"#" in target or not (target.startswith(b"/") or _ABSOLUTE.fullmatch(target)):
        raise UnclearRequestError
    hosts = codings = 0
    for name, value in headers:
        if name not in _FRAMING:
            continue
        if name == b"host":
            hosts += 1
            if not _is_host(value):
                raise UnclearRequestError
        elif name == b"content-length":
            if len(value) > _DIGITS:
                raise UnclearRequestError
        else:
            codings += 1
            if value.strip(b" \t").lower() != b"chunked":
                raise UnclearRequestError
    if version == "1.1":
        if hosts != 1 or codings > 1:
            raise UnclearRequestError
    elif hosts > 1 or codings:  # HTTP/1.0 has no transfer codings (RFC 9112, 6.1)
        raise UnclearRequestError


@lru_cache(256)
def _is_host(value: bytes) -> bool:
    return _HOST.fullmatch(value.strip(b" \t")) is not None


def is_rtsp(target: bytes, content: bytes) -> bool:
    """Whether a request line in `content` with this target is RTSP's. llhttp reads those too, and does not say so."""
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
