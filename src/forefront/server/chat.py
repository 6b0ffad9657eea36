"""`POST /v1/chat/completions`: read → parse → ask the backend → send it whole or as a stream."""

import logging
from collections.abc import AsyncGenerator, Awaitable, Callable
from contextlib import aclosing
from urllib.parse import quote

import msgspec
from starlette.datastructures import Headers
from starlette.responses import Response
from starlette.types import Receive, Scope, Send

from forefront.catalog.catalog import Catalog
from forefront.chat.events import Event
from forefront.gateway.gateway import Gateway
from forefront.gateway.lease import Lease
from forefront.gateway.principal import Principal
from forefront.server.body import parse_body, read_json_body
from forefront.server.completion import Completion
from forefront.server.connection import while_connected
from forefront.server.pauses import with_pauses
from forefront.server.settled import settled
from forefront.server.sse import DONE, frame, waiting
from forefront.wire.errors import ApiError
from forefront.wire.parse import parse_chat_request

# Silent unless the settings ask for it.
_prompts = logging.getLogger("forefront.prompts")

_STREAM_HEADERS = {
    "content-type": "text/event-stream; charset=utf-8",
    "cache-control": "no-cache, no-transform",
    "x-accel-buffering": "no",  # proxies must pass events on as they come
}


class ChatCompletions:
    """The endpoint, as an ASGI application: it must see the client leave while it works."""

    def __init__(self, catalog: Catalog, gateway: Gateway, keep_alive: float = 5.0) -> None:
        self._keep_alive = keep_alive
        self._catalog = catalog
        self._gateway = gateway

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        parsed = await parse_body(parse_chat_request, await read_json_body(scope, receive))
        model = self._catalog.get(parsed.request.model)
        headers = _ignored_header(parsed.ignored)
        completion = Completion(parsed.request, model)
        principal: Principal = scope["principal"]
        if _prompts.isEnabledFor(logging.INFO):
            _prompts.info("asked", extra={"completion": completion.id, "prompt": parsed.request.messages})

        async def work(lease: Lease) -> None:
            answer = model.backend.chat(parsed.request, principal.tenant, lease)
            if parsed.request.stream:
                async with aclosing(with_pauses(settled(answer, lease), self._keep_alive)) as paced:
                    await _stream(paced, completion, headers, lease, send)
                return
            async with aclosing(settled(answer, lease)) as events:
                body = msgspec.json.encode(await completion.whole(events))
            await Response(body, 200, headers | lease.headers(), "application/json")(scope, receive, send)

        with self._gateway.admit(principal, model.name, completion.id) as lease:
            await while_connected(receive, work(lease))


async def _stream(
    events: AsyncGenerator[Event | None, None],
    completion: Completion,
    headers: dict[str, str],
    lease: Lease,
    send: Send,
) -> None:
    # The first event is awaited before anything is sent, so that a request that fails has an error status. One that
    # waits for long is told so instead (None), since proxies give up on connections that say nothing.
    first = await anext(events)
    raw_headers = Headers(headers | lease.headers() | _STREAM_HEADERS).raw
    await send({"type": "http.response.start", "status": 200, "headers": raw_headers})

    async def say(body: bytes, *, more: bool = True) -> None:
        await send({"type": "http.response.body", "body": body, "more_body": more})

    try:
        await _tell(first, completion, lease, say)
        async for event in events:
            await _tell(event, completion, lease, say)
        await say(DONE)
    except ApiError as error:
        # Too late for a status; no [DONE] follows, so nobody takes the stream for complete.
        await say(frame(error.body()))
    await say(b"", more=False)


async def _tell(
    event: Event | None, completion: Completion, lease: Lease, say: Callable[[bytes], Awaitable[None]]
) -> None:
    if event is None:
        await say(waiting(*(lease.turn.outlook() if lease.turn is not None else (0, 0.0))))
        return
    for chunk in completion.chunks(event):
        await say(frame(chunk))


def _ignored_header(names: tuple[str, ...]) -> dict[str, str]:
    """Names the fields that had no effect; whatever cannot stand in a header is percent-encoded."""
    if not names:
        return {}
    return {"x-ignored-params": ", ".join(quote(name[:128], safe="[]._-$") for name in names)}
