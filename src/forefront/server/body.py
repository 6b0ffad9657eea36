"""Reading a request's body within bounds."""

import asyncio
import time
from collections.abc import Callable
from typing import TypeVar

from starlette.types import Receive, Scope

from forefront.fairness.tenant import Tenant
from forefront.fairness.worker_pool import WorkerPool
from forefront.server.headers import header
from forefront.server.intake import Share
from forefront.wire.errors import ApiError

T = TypeVar("T")

MAX_BODY = 8 * 2**20
# Parsed in a millisecond; in a few at worst.
_SMALL = 2**14
# A key's holder is never older than a second when a request begins: so long, in seconds, may its body have taken.
_LONG = 0.25


async def read_json_body(scope: Scope, receive: Receive) -> bytes:
    """The whole body of a request that says it is JSON.

    Raises `ApiError`: 415 for another content type or any content encoding, 413 beyond `MAX_BODY` bytes, 400 when the
    client leaves in the middle of it, 408 when it takes too long, 503 when too many others are being read; and what the
    guard raises, which is asked again after a body that took its time: `scope["principal"]` is another one then.
    """
    kind = header(scope, b"content-type", "application/json").partition(";")[0].strip().lower()
    if kind != "application/json" and not kind.endswith("+json"):
        raise ApiError("unsupported_media_type", "The body must be sent with `content-type: application/json`.")
    if header(scope, b"content-encoding", "identity").strip().lower() != "identity":
        raise ApiError("unsupported_media_type", "The body must be sent without a content encoding.")
    length = header(scope, b"content-length")
    if length.isdecimal() and int(length[:20]) > MAX_BODY:
        raise _too_large()
    share: Share = scope["intake"]
    began = time.monotonic()
    # What is announced is held, else what may come.
    share.hold(int(length[:20]) if length.isdecimal() else MAX_BODY)
    try:
        async with asyncio.timeout(share.seconds):
            body = await _read(receive)
    except TimeoutError:
        text = f"The body did not arrive within {share.seconds:g} s."
        raise ApiError("request_timeout", text, headers={"connection": "close"}) from None
    share.hold(len(body))
    if time.monotonic() - began > _LONG:
        await scope["identify"]()  # the key may have been revoked meanwhile, or have other limits
    return body


async def parse_body(parse: Callable[[bytes], T], body: bytes, workers: WorkerPool, tenant: Tenant) -> T:
    """`parse(body)`; one of `workers` does it, in `tenant`'s turn, when others would have to wait for it."""
    return parse(body) if len(body) <= _SMALL else await workers.run(tenant, len(body), lambda: parse(body))


async def _read(receive: Receive) -> bytes:
    body = bytearray()
    while True:
        message = await receive()
        if message["type"] == "http.disconnect":
            raise ApiError("incomplete_body", "The body ended before its end.")
        body += message.get("body", b"")
        if len(body) > MAX_BODY:
            raise _too_large()
        if not message.get("more_body", False):
            return bytes(body)


def _too_large() -> ApiError:
    return ApiError("body_too_large", f"The body must have at most {MAX_BODY // 2**20} MiB.")
