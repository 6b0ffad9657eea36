"""`POST /v1/chat/completions`, `POST /v1/completions`: read → parse → ask the backend → send it whole or streamed."""

import logging
from collections.abc import AsyncGenerator, AsyncIterator, Awaitable, Callable
from contextlib import aclosing
from dataclasses import dataclass
from typing import Any, Generic, TypeVar
from urllib.parse import quote

import msgspec
from starlette.types import Message, Receive, Scope, Send

from forefront.catalog.catalog import Catalog, ServedModel
from forefront.chat.backend import Backend
from forefront.chat.events import Event, Started
from forefront.chat.meter import Meter
from forefront.fairness.tenant import Tenant
from forefront.fairness.worker_pool import WorkerPool
from forefront.gateway.gateway import Gateway
from forefront.gateway.keys.principal import Principal
from forefront.gateway.lease import Lease
from forefront.server.http.body import process_body, read_json_body
from forefront.server.http.body_memory import Share
from forefront.server.http.disconnect import while_connected
from forefront.server.http.headers import raw
from forefront.server.response.chat_encoder import ChatAnswer
from forefront.server.response.event_throttle import spaced
from forefront.server.response.keepalive import with_pauses
from forefront.server.response.response_encoder import Completion
from forefront.server.response.response_memory import AnswerMemory
from forefront.server.response.send_body import send_body
from forefront.server.response.settle_stream import settled
from forefront.server.response.sse import DONE, frame, waiting
from forefront.server.response.text_encoder import TextAnswer
from forefront.server.routes.models import find_model
from forefront.wire.errors import ApiError
from forefront.wire.parse import ParsedRequest, parse_chat_request, parse_completion_request
from forefront.wire.request import ChatRequest, CompletionRequest, SampledRequest

R = TypeVar("R", bound=SampledRequest)

# Silent unless the settings ask for it.
_prompts = logging.getLogger("forefront.prompts")

_MAX_HEADER = 2048
_WHOLE_HEADERS = {"content-type": "application/json"}
_STREAM_HEADERS = {
    "content-type": "text/event-stream; charset=utf-8",
    "cache-control": "no-cache, no-transform",
    "x-accel-buffering": "no",  # proxies must pass events on as they come
}


@dataclass(frozen=True)
class Kind(Generic[R]):
    """What tells one endpoint from the other: how a body is read, who is asked, how the answer is spelled."""

    parse: Callable[[bytes], ParsedRequest[R]]
    ask: Callable[[Backend, R, Tenant, Meter], AsyncGenerator[Event, None]]
    answer: Callable[[R, ServedModel], Completion]
    asked: Callable[[R], Any]


CHAT: Kind[ChatRequest] = Kind(
    parse_chat_request,
    lambda backend, request, tenant, meter: backend.chat(request, tenant, meter),
    ChatAnswer,
    lambda request: request.messages,
)
TEXT: Kind[CompletionRequest] = Kind(
    parse_completion_request,
    lambda backend, request, tenant, meter: backend.complete(request, tenant, meter),
    TextAnswer,
    lambda request: request.prompt,
)


class Completions(Generic[R]):
    """An endpoint, as an ASGI application: it must see the client leave while it works."""

    def __init__(
        self, kind: Kind[R], catalog: Catalog, gateway: Gateway, workers: WorkerPool, keep_alive: float = 5.0
    ) -> None:
        self._kind = kind
        self._workers = workers
        self._keep_alive = keep_alive
        self._catalog = catalog
        self._gateway = gateway

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        # Asked again when the request is known, and when its size is; whoever can be told now costs next to nothing.
        self._gateway.check(scope["principal"])
        with self._gateway.reading(scope["principal"]):
            work = self._answer(scope, await read_json_body(scope, receive), send)
        await while_connected(receive, work)

    async def _answer(self, scope: Scope, body: bytes, send: Send) -> None:
        principal: Principal = scope["principal"]
        with self._gateway.reading(principal):
            parsed = await process_body(self._kind.parse, body, self._workers, principal.tenant)
        del body  # it is not needed for as long as the answer takes
        request = parsed.request
        model = find_model(self._catalog, principal, request.model)
        headers = ignored_header(parsed.ignored)
        completion = self._kind.answer(request, model)
        if _prompts.isEnabledFor(logging.INFO):
            _prompts.info("asked", extra={"completion": completion.id, "prompt": self._kind.asked(request)})
        with self._gateway.admit(principal, model.name, completion.id) as lease:
            answer = self._kind.ask(model.backend, request, principal.tenant, lease)
            if request.stream:
                async with aclosing(with_pauses(settled(answer, lease), self._keep_alive)) as paced:
                    await _stream(paced, completion, headers, lease, scope, send)
                return
            share: Share = scope["intake"]
            async with aclosing(settled(answer, lease)) as events:
                noted = _noting_unenforced(events, headers)
                whole = msgspec.json.encode(await completion.whole(noted, AnswerMemory(share.grow)))
            await send(_start(headers | lease.headers() | _WHOLE_HEADERS | {"content-length": str(len(whole))}))
            await send_body(send, whole)


async def _stream(
    events: AsyncGenerator[Event | None, None],
    completion: Completion,
    headers: dict[str, str],
    lease: Lease,
    scope: Scope,
    send: Send,
) -> None:
    # The first event is awaited before anything is sent, so that a request that fails has an error status. One that
    # waits for long is told so instead (None), since proxies give up on connections that say nothing.
    first = await anext(events)
    if isinstance(first, Started):
        headers |= unenforced_header(first.unenforced)
    await send(_start(headers | lease.headers() | _STREAM_HEADERS))

    async def write(body: bytes) -> None:
        await send({"type": "http.response.body", "body": body, "more_body": True})

    say = spaced(scope, write)
    try:
        await _tell(first, completion, lease, say)
        async for event in events:
            await _tell(event, completion, lease, say)
        await say(DONE)
    except ApiError as error:
        # Too late for a status; no [DONE] follows, so nobody takes the stream for complete.
        await say(frame(error.body()))
    await send({"type": "http.response.body", "body": b"", "more_body": False})


def _start(headers: dict[str, str]) -> Message:
    return {"type": "http.response.start", "status": 200, "headers": raw(headers)}


async def _tell(
    event: Event | None, completion: Completion, lease: Lease, say: Callable[[bytes], Awaitable[None]]
) -> None:
    if event is None:
        await say(waiting(*(lease.turn.estimate() if lease.turn is not None else (0, 0.0))))
        return
    for chunk in completion.chunks(event):
        await say(frame(chunk))


async def _noting_unenforced(events: AsyncIterator[Event], headers: dict[str, str]) -> AsyncIterator[Event]:
    """The events; what the first one says of schemas is added to `headers`."""
    async for event in events:
        if isinstance(event, Started):
            headers |= unenforced_header(event.unenforced)
        yield event


def unenforced_header(paths: tuple[str, ...]) -> dict[str, str]:
    """Names the keywords of schemas that do not bind the answer, as far as a header of 2 KiB has room for them."""
    if not paths:
        return {}
    text = ""
    for place, path in enumerate(paths):
        entry = (", " if text else "") + quote(path[:128], safe="[]._-$")
        if len(text) + len(entry) > _MAX_HEADER:
            text += f", and {len(paths) - place} more"
            break
        text += entry
    return {"x-unenforced-keywords": text}


def ignored_header(names: tuple[str, ...]) -> dict[str, str]:
    """Names the fields that had no effect; whatever cannot stand in a header is percent-encoded."""
    if not names:
        return {}
    return {"x-ignored-params": ", ".join(quote(name[:128], safe="[]._-$") for name in names)}
