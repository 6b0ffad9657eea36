"""Response bodies in pieces, with back-pressure."""

import time
from collections.abc import Mapping
from typing import Final

from starlette.responses import Response
from starlette.types import Receive, Scope, Send

from forefront.fairness.time_slice import yield_to_event_loop
from forefront.server.http.headers import raw

_PIECE: Final = 2**16  # bytes


async def send_body(send: Send, body: bytes) -> None:
    """Send a whole body in pieces. Before each, uvicorn waits until the client has read most of the earlier ones: a
    client that does not read keeps one piece in the server's buffers, not the whole body."""
    if len(body) <= _PIECE:
        await send({"type": "http.response.body", "body": body})
        return
    rested = time.monotonic()
    for start in range(0, len(body), _PIECE):
        piece = body[start : start + _PIECE]
        await send({"type": "http.response.body", "body": piece, "more_body": start + _PIECE < len(body)})
        rested = await yield_to_event_loop(rested)  # a client that reads at once never makes `send` wait


async def send_json(send: Send, body: bytes, headers: Mapping[str, str]) -> None:
    """Send a whole response of 200 with a JSON body."""
    length = {"content-type": "application/json", "content-length": str(len(body))}
    await send({"type": "http.response.start", "status": 200, "headers": raw({**headers, **length})})
    await send_body(send, body)


class ChunkedResponse(Response):
    """A response whose body is sent by `send_body`."""

    async def __call__(self, _scope: Scope, _receive: Receive, send: Send) -> None:
        await send({"type": "http.response.start", "status": self.status_code, "headers": self.raw_headers})
        await send_body(send, bytes(self.body))
