"""`Idempotency-Key`: a request that is sent again gets the run, or the result, of the first."""

import asyncio
import hashlib
import re
from typing import Final

from starlette.types import ASGIApp, Message, Receive, Scope, Send

from forefront.fairness.worker_pool import WorkerPool
from forefront.gateway.keys.principal import Principal
from forefront.server.http.body import process_body, read_json_body
from forefront.server.http.body_memory import Share
from forefront.server.http.disconnect import while_connected
from forefront.server.idempotency.shared_run import SharedRun
from forefront.server.idempotency.shared_runs import SharedRuns
from forefront.wire.errors import ApiError

HEADER: Final = "Idempotency-Key"
_NAME: Final = HEADER.lower().encode()
_FIT = re.compile(r"[!-~]{1,255}")


class Idempotent:
    """Around an endpoint. Requests without the header pass untouched.

    An API key's requests with the same key share one run if they have the same path and the same body, byte for byte;
    the key is refused for others. API keys share nothing: each has rights, limits and a budget of its own, and what one
    is refused for is no answer to another.
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
        run, again = await self._join(scope, key, await read_json_body(scope, receive))
        scope["intake"].hold(0)  # the run holds the body now
        with run.attached():
            await while_connected(receive, run.play(send, again=again))

    async def _join(self, scope: Scope, key: str, body: bytes) -> tuple[SharedRun, bool]:
        """The run for this request, and whether it was there before."""
        principal: Principal = scope["principal"]
        intake = scope["intake"].intake
        receive = _said(body)

        async def application(sender: Send) -> None:
            # The run may outlive this connection, so it holds the body's memory itself.
            with Share(intake) as own:
                await self._app({**scope, "intake": own}, receive, sender)

        def fingerprint_of(content: bytes) -> bytes:
            digest = hashlib.sha256(scope["path"].encode() + b"\n")
            digest.update(content)
            return digest.digest()

        fingerprint = await process_body(fingerprint_of, body, self._workers, principal.tenant)
        return self._runs.join(principal.project.name, (principal.key.id, key), fingerprint, application)


def _key(scope: Scope) -> str | None:
    """The key that a request bears. Raises `ApiError` 422 for one that cannot be used."""
    given: list[str] = [value.decode("latin-1") for name, value in scope["headers"] if name == _NAME]
    if not given:
        return None
    if len(given) > 1 or not _FIT.fullmatch(given[0]):
        text = f"`{HEADER}` must be one key of 1 to 255 visible ASCII characters."
        raise ApiError("invalid_value", text, param=HEADER)
    return given[0]


def _said(body: bytes) -> Receive:
    """A client that sends `body` and stays, for a run that outlives connections."""
    left: list[bytes] = [body]  # emptied, so that the bytes do not live as long as the run

    async def receive() -> Message:
        if not left:
            # Only a cancelled run stops listening.
            await asyncio.Event().wait()
        return {"type": "http.request", "body": left.pop(), "more_body": False}

    return receive
