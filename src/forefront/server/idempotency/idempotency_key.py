"""`Idempotency-Key`: a retried request joins the run of the first, or gets its result."""

import asyncio
import hashlib
import re
from typing import Final

from starlette.types import ASGIApp, Message, Receive, Scope, Send

from forefront.fairness.worker_pool import WorkerPool
from forefront.server.http.body import process_body, read_json_body
from forefront.server.http.body_memory import RequestMemory
from forefront.server.http.disconnect import detached, while_connected
from forefront.server.http.headers import header
from forefront.server.http.request_context import request_context, set_request_context
from forefront.server.idempotency.shared_run import SharedRun
from forefront.server.idempotency.shared_runs import SharedRuns
from forefront.server.sending.sse import RESUMABLE
from forefront.wire.errors import RequestError

HEADER: Final = "Idempotency-Key"
_HEADER_NAME: Final = HEADER.lower().encode()
LAST_EVENT: Final = "Last-Event-ID"
_EVENT = re.compile(r"[0-9]{1,9}")
_VALID = re.compile(r"[!-~]{1,255}")


class Idempotency:
    """Wraps an endpoint. Requests without the header pass unchanged.

    Requests of one API key with the same idempotency key share one run if path and body are the same, byte for byte;
    others are refused. API keys share nothing, since each has its own rights, limits and budget.

    The events of such a stream have ids. With `Last-Event-ID` the run must exist, and its stream continues after that
    event.
    """

    def __init__(self, app: ASGIApp, runs: SharedRuns, workers: WorkerPool) -> None:
        self._app = app
        self._workers = workers
        self._runs = runs

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        key = _key(scope)
        if key is None:
            await self._app(scope, receive, send)
            return
        last_event = _last_event(scope)
        body = await read_json_body(scope, receive)
        run, replayed = await self._join(scope, key, body, resumed=last_event is not None)
        request_context(scope).memory.hold(0)  # the run holds the body now
        after = -1 if last_event is None else last_event
        if after > run.buffer.last_event:
            text = f"`{LAST_EVENT}` {after} has not been sent: the last event is {run.buffer.last_event}."
            raise RequestError("invalid_value", text, param=LAST_EVENT)
        with run.attached():
            await while_connected(scope, receive, run.play(send, replayed=replayed, after=after))

    async def _join(self, scope: Scope, key: str, body: bytes | bytearray, *, resumed: bool) -> tuple[SharedRun, bool]:
        """The run for this request, and whether it existed before. Raises `RequestError` 404 for one that is resumed
        and does not exist."""
        context = request_context(scope)
        principal = context.principal
        name = principal.key.id, key
        receive = _replay_body(body)

        async def application(sender: Send) -> None:
            # The run may outlive this connection, so it holds the body's memory itself.
            with RequestMemory(context.memory.pool) as memory:
                run_scope = {**detached(scope), RESUMABLE: True}
                set_request_context(run_scope, context.with_memory(memory))
                await self._app(run_scope, receive, sender)

        def fingerprint_of(content: bytes | bytearray) -> bytes:
            digest = hashlib.sha256(scope["path"].encode() + b"\n")
            digest.update(content)
            return digest.digest()

        fingerprint = await process_body(fingerprint_of, body, self._workers, principal.tenant)
        if resumed and self._runs.find(name) is None:
            raise RequestError(
                "not_found", "The stream of this `Idempotency-Key` is not held any more.", param=LAST_EVENT
            )
        return self._runs.join(principal.project.name, name, fingerprint, application)


def _key(scope: Scope) -> str | None:
    """The request's idempotency key. Raises `RequestError` 422 for an invalid one."""
    given: list[str] = [value.decode("latin-1") for name, value in scope["headers"] if name == _HEADER_NAME]
    if not given:
        return None
    if len(given) > 1 or not _VALID.fullmatch(given[0]):
        text = f"`{HEADER}` must be one key of 1 to 255 visible ASCII characters."
        raise RequestError("invalid_value", text, param=HEADER)
    return given[0]


def _last_event(scope: Scope) -> int | None:
    """The number of the last event that the client has. Raises `RequestError` 422 for an invalid one."""
    text = header(scope, LAST_EVENT.lower().encode())
    if not text:
        return None
    if not _EVENT.fullmatch(text):
        raise RequestError(
            "invalid_value", f"`{LAST_EVENT}` must be the id of an event of this stream.", param=LAST_EVENT
        )
    return int(text)


def _replay_body(body: bytes | bytearray) -> Receive:
    """A client that sends `body` and never disconnects, for a run that outlives connections."""
    left: list[bytes | bytearray] = [body]  # emptied, so that the bytes do not live as long as the run

    async def receive() -> Message:
        if not left:
            await asyncio.Event().wait()  # until the run is cancelled
        return {"type": "http.request", "body": left.pop(), "more_body": False}

    return receive
