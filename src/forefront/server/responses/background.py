"""Responses in the background: runs that need no connection."""

import asyncio
import logging
import time
from collections.abc import Sequence
from typing import Final

from starlette.types import Message, Receive, Scope, Send

from forefront.catalog.catalog import ModelUse
from forefront.fairness.tenant import Tenant
from forefront.gateway.store.response_store import Chain
from forefront.server.http.disconnect import detached, while_connected
from forefront.server.http.request_context import request_context, set_request_context
from forefront.server.idempotency.shared_run import SharedRun
from forefront.server.idempotency.shared_runs import SharedRuns
from forefront.server.responses.history import PREFIX
from forefront.server.responses.responses_encoder import ResponsesEncoder, new_response, set_error
from forefront.server.responses.stored_responses import StoredResponses
from forefront.server.routes.completions import CompletionService
from forefront.server.sending.response_encoder import new_id
from forefront.server.sending.response_memory import ResponseMemory
from forefront.server.sending.sse import BUFFERED
from forefront.wire.errors import RequestError
from forefront.wire.responses import response as wire
from forefront.wire.responses.chat_request import ParsedResponse

log = logging.getLogger(__name__)

_CANCEL_SECONDS: Final = 5.0


class BackgroundRuns:
    """Starts, resumes and cancels responses in the background. `runs` holds the streams of those that are streamed."""

    def __init__(self, service: CompletionService, stored: StoredResponses, runs: SharedRuns) -> None:
        self._service = service
        self._stored = stored
        self._runs = runs
        self._running: dict[tuple[str, str], SharedRun] = {}  # by project and response
        self._without_stream: set[SharedRun] = set()
        self._cancelled: set[SharedRun] = set()

    async def start(self, scope: Scope, parsed: ParsedResponse, chain: Chain) -> tuple[wire.Response, SharedRun]:
        """Store a queued response and start its run. Raises `RequestError` if there is no room for it."""
        context, now = request_context(scope), time.time()
        tenant = context.principal.tenant
        model = self._service.check(context.principal, parsed.request.model)
        queued = new_response(parsed.source, new_id(PREFIX, now), int(now), model, "queued")
        await self._stored.add(tenant, parsed, queued, chain)
        memory, name = context.memory.move(), (tenant.name, queued.id)
        run_scope = {**detached(scope), BUFFERED: True}
        set_request_context(run_scope, context.with_memory(memory))

        async def application(send: Send) -> None:
            with memory:
                await self._respond(run_scope, send if parsed.source.stream else _discard, parsed, queued)

        run = self._runs.start(tenant.name, _run_name(tenant, queued.id), application)
        self._running[name] = run
        if not parsed.source.stream:
            self._without_stream.add(run)
        run.task.add_done_callback(lambda _: self._end(name, run))
        return queued, run

    def _end(self, name: tuple[str, str], run: SharedRun) -> None:
        del self._running[name]
        self._without_stream.discard(run)
        self._cancelled.discard(run)

    def begin_cancel(self, tenant: Tenant, response_id: str) -> bool:
        """Mark a response that this server generates as being cancelled. False if it already is, and for any other
        response."""
        run = self._running.get((tenant.name, response_id))
        if run is None or run in self._cancelled:
            return False
        self._cancelled.add(run)
        return True

    def stream(self, tenant: Tenant, response_id: str, after: int | None) -> SharedRun:
        """The run whose stream can be resumed after an event. Raises `RequestError`: 404 if there is no stream or it is
        not held any more, 422 if the event has not been sent."""
        run = self._runs.find(_run_name(tenant, response_id))
        if run is None or not run.buffer.whole or run in self._without_stream:
            text = "This response was created without `stream`, or its events are not held any more."
            raise RequestError("not_found", text, param="stream")
        if after is not None and after > run.buffer.last_event:
            text = f"`starting_after` {after} has not been sent: the last event is {run.buffer.last_event}."
            raise RequestError("invalid_value", text, param="starting_after")
        return run

    async def play(
        self,
        run: SharedRun,
        scope: Scope,
        receive: Receive,
        send: Send,
        after: int | None = None,
        limits: Sequence[tuple[bytes, bytes]] = (),
    ) -> None:
        """Send the stream of a run while the client is connected. `after`: to a client that did not start the run, the
        events after that number, with that client's `limits`."""
        with run.attached():
            replayed = after is not None
            playing = run.play(send, replayed=replayed, after=-1 if after is None else after, limits=limits)
            await while_connected(scope, receive, playing)

    async def cancel(self, tenant: Tenant, response_id: str) -> None:
        """Cancel a response. One that another server generates is marked as cancelled, and its output is dropped."""
        run = self._running.get((tenant.name, response_id))
        if run is not None and self._service.cancel(tenant.name, response_id):
            await asyncio.wait([run.task], timeout=_CANCEL_SECONDS)
            return
        if run is not None:
            run.cancel()  # it has not begun, or is ending
        stored = await self._stored.find(tenant, response_id)
        if stored.unfinished and not stored.abandoned:
            await self._stored.cancel(tenant, stored)

    async def _respond(self, scope: Scope, send: Send, parsed: ParsedResponse, queued: wire.Response) -> None:
        """Run the request, and store its end."""
        tenant = request_context(scope).principal.tenant
        encoder: ResponsesEncoder | None = None
        saved = False

        async def save(response: wire.Response) -> None:
            nonlocal saved
            await self._stored.finish(tenant, parsed, response)
            saved = True

        def make_encoder(parsed: ParsedResponse, model: ModelUse, memory: ResponseMemory) -> ResponsesEncoder:
            nonlocal encoder
            encoder = ResponsesEncoder(parsed, model, memory, queued=queued, save=save)
            return encoder

        error: Exception | None = None
        try:
            await self._service.respond(scope, _never, send, parsed, make_encoder)
        except Exception as raised:
            if not isinstance(raised, RequestError):
                log.exception("the response %s failed", queued.id)
            error = raised
        if saved:
            return
        reason = error or (None if encoder is None else encoder.error)
        if not isinstance(reason, RequestError):
            reason = RequestError("internal_error", "Internal server error.")
        response = queued if encoder is None else encoder.failed(reason)
        set_error(response, reason)
        await self._stored.finish(tenant, parsed, response)
        if error is not None:
            raise error


def _run_name(tenant: Tenant, response_id: str) -> tuple[str, ...]:
    """The name of a run. Those of idempotency keys have two parts."""
    return "response", tenant.name, response_id


async def _never() -> Message:
    """A client that never disconnects."""
    await asyncio.Event().wait()
    raise AssertionError


async def _discard(_message: Message) -> None:
    """A client that discards the answer."""
