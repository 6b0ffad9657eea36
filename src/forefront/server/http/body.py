"""Reading a request's body within bounds."""

import asyncio
import time
from collections.abc import Callable
from typing import TypeVar

from starlette.types import Receive, Scope

from forefront.fairness.tenant import Tenant
from forefront.fairness.worker_pool import WorkerPool
from forefront.gateway.keys.principal import Principal
from forefront.server.http.body_memory import Share
from forefront.server.http.headers import header
from forefront.server.http.parsed_size import ParsedSize, small_parsed_size
from forefront.wire.errors import ApiError

T = TypeVar("T")

MAX_BODY = 8 * 2**20
# Bytes. Parsed in a millisecond; in a few at worst.
_SMALL = 2**14
# Bodies of so many bytes that come in one piece, as nearly all do, are measured quickly.
_TINY = 2**13
# A key's holder is never older than a second when a request begins: so long, in seconds, may its body have taken.
_LONG = 0.25


async def read_json_body(scope: Scope, receive: Receive, *, reserved: bool = False) -> bytes:
    """The whole body of a request that says it is JSON.

    Memory for its parsed form is held as it arrives, for the key of `scope["principal"]`; with `reserved`, also from
    the part that no project can take.

    Raises `ApiError`: 415 for another content type or any content encoding, 413 beyond `MAX_BODY` bytes or what its
    parsed form may take, 400 when the client leaves in the middle of it, 408 when it takes too long, 429 when the key's
    or its project's share of the memory is used up, 503 when all of it is; and what the guard raises, which is asked
    again after a body that took its time: `scope["principal"]` is another one then.
    """
    kind = header(scope, b"content-type", "application/json").partition(";")[0].strip().lower()
    if kind != "application/json" and not kind.endswith("+json"):
        raise ApiError("unsupported_media_type", "The body must be sent with `content-type: application/json`.")
    if header(scope, b"content-encoding", "identity").strip().lower() != "identity":
        raise ApiError("unsupported_media_type", "The body must be sent without a content encoding.")
    length = header(scope, b"content-length")
    announced = int(length[:20]) if length.isdecimal() else 0
    share: Share = scope["intake"]
    if announced > (most := min(MAX_BODY, share.intake.largest)):
        raise _too_large(most)
    principal: Principal = scope["principal"]
    began, seconds = time.monotonic(), share.intake.seconds
    share.begin(principal.project.name, principal.key.id, reserved=reserved)
    try:
        share.check(announced)  # what is announced is not held: nothing of it may ever come
        async with asyncio.timeout(seconds):
            body = await _read(receive, share)
    except TimeoutError:
        text = f"The body did not arrive within {seconds:g} s."
        raise ApiError("request_timeout", text, headers={"connection": "close"}) from None
    finally:
        share.end()
    if time.monotonic() - began > _LONG:
        await scope["identify"]()  # the key may have been revoked meanwhile, or have other limits
    return body


async def process_body(process: Callable[[bytes], T], body: bytes, workers: WorkerPool, tenant: Tenant) -> T:
    """`process(body)`; one of `workers` does it, in `tenant`'s turn, when others would have to wait for it."""
    return process(body) if len(body) <= _SMALL else await workers.run(tenant, len(body), lambda: process(body))


async def _read(receive: Receive, share: Share) -> bytes:
    body, parsed = bytearray(), ParsedSize()
    most = min(MAX_BODY, share.intake.largest)
    while True:
        message = await receive()
        if message["type"] == "http.disconnect":
            raise ApiError("incomplete_body", "The body ended before its end.")
        chunk, more = message.get("body", b""), message.get("more_body", False)
        if not (more or body) and len(chunk) <= _TINY:
            share.hold(small_parsed_size(chunk))
            return bytes(chunk)
        if chunk:
            body += chunk
            if len(body) > most:
                raise _too_large(most)
            parsed.add(chunk)
            if parsed.total > share.intake.largest:
                raise _too_many_values(share.intake.largest)
            share.hold(parsed.total)
        if not more:
            return bytes(body)


def _too_large(most: int) -> ApiError:
    return ApiError("body_too_large", f"The body must have at most {most / 2**20:g} MiB.")


def _too_many_values(largest: int) -> ApiError:
    text = f"The body holds too many values: parsed, they must take at most {largest / 2**20:g} MiB."
    return ApiError("body_too_large", text)
