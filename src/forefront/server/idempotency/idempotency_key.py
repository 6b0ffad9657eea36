"""`Idempotency-Key`: a retried request joins the run of the first, or gets its result."""

import asyncio
import hashlib
import re
from typing import Final

from starlette.types import ASGIApp, Message, Receive, Scope, Send

from forefront.fairness.worker_pool import WorkerPool
from forefront.server.http.body import process_body, read_json_body
from forefront.server.http.body_memory import RequestMemory
from forefront.server.http.disconnect import while_connected
from forefront.server.http.request_context import request_context, set_request_context
from forefront.server.idempotency.shared_run import SharedRun
from forefront.server.idempotency.shared_runs import SharedRuns
from forefront.wire.errors import ApiError

HEADER: Final = "Idempotency-Key"
_HEADER_NAME: Final = HEADER.lower().encode()
_VALID = re.compile(r"[!-~]{1,255}")


class Idempotency:
    """Wraps an endpoint. Requests without the header pass unchanged.

    Requests of one API key with the same idempotency key share one run if path and body are the same, byte for byte;
    others are refused. API keys share nothing, since each has its own rights, limits and budget.
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
        run, replayed = await self._join(scope, key, await read_json_body(scope, receive))
        request_context(scope).memory.hold(0)  # the run holds the body now
        with run.attached():
            await while_connected(receive, run.play(send, replayed=replayed))

    async def _join(self, scope: Scope, key: str, body: bytes | bytearray) -> tuple[SharedRun, bool]:
        """The run for this request, and whether it existed before."""
        context = request_context(scope)
        principal = context.principal
        receive = _replay_body(body)

        async def application(sender: Send) -> None:
            # The run may outlive this connection, so it holds the body's memory itself.
            with RequestMemory(context.memory.pool) as memory:
                run_scope = dict(scope)
                set_request_context(run_scope, context.with_memory(memory))
                await self._app(run_scope, receive, sender)

        def fingerprint_of(content: bytes | bytearray) -> bytes:
            digest = hashlib.sha256(scope["path"].encode() + b"\n")
            digest.update(content)
            return digest.digest()

        fingerprint = await process_body(fingerprint_of, body, self._workers, principal.tenant)
        return self._runs.join(principal.project.name, (principal.key.id, key), fingerprint, application)


def _key(scope: Scope) -> str | None:
    """The request's idempotency key. Raises `ApiError` 422 for an invalid one."""
    given: list[str] = [value.decode("latin-1") for name, value in scope["headers"] if name == _HEADER_NAME]
    if not given:
        return None
    if len(given) > 1 or not _VALID.fullmatch(given[0]):
        text = f"`{HEADER}` must be one key of 1 to 255 visible ASCII characters."
        raise ApiError("invalid_value", text, param=HEADER)
    return given[0]


def _replay_body(body: bytes | bytearray) -> Receive:
    """A client that sends `body` and never disconnects, for a run that outlives connections."""
    left: list[bytes | bytearray] = [body]  # emptied, so that the bytes do not live as long as the run

    async def receive() -> Message:
        if not left:
            await asyncio.Event().wait()  # until the run is cancelled
        return {"type": "http.request", "body": left.pop(), "more_body": False}

    return receive
