"""Reading a request's body within bounds."""

import asyncio
import time
from collections.abc import Callable
from typing import Final, TypeVar

from starlette.types import Receive, Scope

from forefront.fairness.tenant import Tenant
from forefront.fairness.worker_pool import WorkerPool
from forefront.server.http.body_memory import RequestMemory
from forefront.server.http.error_response import ClosingError
from forefront.server.http.headers import header
from forefront.server.http.parsed_size import MAX_MEMBERS, parsed_size, small_parsed_size
from forefront.server.http.request_context import request_context
from forefront.wire.errors import RequestError

T = TypeVar("T")

MAX_BODY = 8 * 2**20
# A key of a request's ASGI scope: the server has received the whole body.
BODY_ARRIVED: Final = "forefront.body_arrived"
# Bytes that are parsed in about a millisecond.
_SMALL = 2**14
# Seconds. A request whose body takes longer is authenticated again.
_SLOW = 0.25


async def read_json_body(scope: Scope, receive: Receive, *, reserved: bool = False) -> bytes | bytearray:
    """The whole body of a request with a JSON content type.

    Its memory is held as it arrives, for the key of the context's principal; with `reserved`, also from the part that
    no project can take.

    Raises `RequestError`: 415 for another content type or any content encoding, 413 beyond `MAX_BODY` bytes, 400 when
    the client disconnects in the middle of it, 408 when it takes too long, 429 when the key's or its project's share of
    the memory is used up, 503 when all of it is; and what authentication raises. A slow request is authenticated again
    after its body: its context then has another principal.
    """
    kind = header(scope, b"content-type", "application/json").partition(";")[0].strip().lower()
    if kind != "application/json" and not kind.endswith("+json"):
        raise RequestError("unsupported_media_type", "The body must be sent with `content-type: application/json`.")
    if header(scope, b"content-encoding", "identity").strip().lower() != "identity":
        raise RequestError("unsupported_media_type", "The body must be sent without a content encoding.")
    length = header(scope, b"content-length")
    announced = int(length[:20]) if length.isdecimal() else 0
    context = request_context(scope)
    memory = context.memory
    if announced > (most := min(MAX_BODY, memory.pool.largest)):
        raise _too_large(most)
    principal = context.principal
    owner = principal.project.name, principal.key.id
    if has_arrived(scope):
        memory.set_owner(*owner, reserved=reserved)
        return await _read(receive, memory, principal.tenant)
    began, seconds = time.monotonic(), memory.pool.seconds
    memory.begin(*owner, reserved=reserved)
    try:
        if announced > _SMALL:
            memory.check(announced)  # announced bytes are not held, since they may never arrive
        async with asyncio.timeout(seconds):
            body = await _read(receive, memory, principal.tenant)
    except TimeoutError:
        text = f"The body did not arrive within {seconds:g} s."
        raise ClosingError("request_timeout", text) from None
    finally:
        memory.end()
    if time.monotonic() - began > _SLOW:
        await context.authenticate_again(scope)  # the key may have been revoked meanwhile, or have other limits
    return body


async def parse_body(
    parse: Callable[[bytes | bytearray], T],
    body: bytes | bytearray,
    memory: RequestMemory,
    workers: WorkerPool,
    tenant: Tenant,
) -> T:
    """`parse(body)`. For a large body a worker thread runs it, in `tenant`'s turn, once `memory` holds the memory of
    the parsed form. Raises `RequestError` 413 for too many values, 429 and 503 for want of memory."""
    if is_small(body):
        return parse(body)
    most = memory.pool.largest
    size = await workers.run(tenant, len(body), lambda: parsed_size(body, most))
    if size > most:
        raise _too_many_values(most)
    memory.hold(size)
    return await process_body(parse, body, workers, tenant)


async def process_body(
    process: Callable[[bytes | bytearray], T], body: bytes | bytearray, workers: WorkerPool, tenant: Tenant
) -> T:
    """`process(body)`. For a large body a worker thread runs it, in `tenant`'s turn."""
    return process(body) if is_small(body) else await workers.run(tenant, len(body), lambda: process(body))


def has_arrived(scope: Scope) -> bool:
    """Whether the whole body is there, so that reading it takes no time."""
    return BODY_ARRIVED in scope


def is_small(body: bytes | bytearray) -> bool:
    """Whether a body is parsed at once, without a worker thread."""
    return len(body) <= _SMALL


async def _read(receive: Receive, memory: RequestMemory, tenant: Tenant) -> bytes | bytearray:
    body: bytes | bytearray = b""
    most = min(MAX_BODY, memory.pool.largest)
    while True:
        message = await receive()
        if message["type"] == "http.disconnect":
            raise RequestError("incomplete_body", "Incomplete request body.")
        chunk, more = message.get("body", b""), message.get("more_body", False)
        if isinstance(body, bytearray):
            body += chunk
        else:
            body = bytearray(chunk) if more else chunk
        if len(body) > most:
            raise _too_large(most)
        memory.hold(len(body) if more or len(body) > _SMALL else small_parsed_size(body))
        if not more:
            return body
        await memory.pool.pace(tenant, len(chunk))


def _too_large(most: int) -> RequestError:
    return RequestError("body_too_large", f"The body must have at most {most / 2**20:g} MiB.")


def _too_many_values(largest: int) -> RequestError:
    text = (
        f"The body holds too many values: its objects must have at most {MAX_MEMBERS:,} members in all, and its values "
        f"take at most {largest / 2**20:g} MiB when parsed."
    )
    return RequestError("body_too_large", text)
