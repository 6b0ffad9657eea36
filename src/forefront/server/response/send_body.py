"""Large bodies, sent as fast as their client reads them."""

from typing import Final

from starlette.responses import Response
from starlette.types import Receive, Scope, Send

_PIECE: Final = 2**16  # bytes


async def send_body(send: Send, body: bytes) -> None:
    """Send a whole body in pieces. uvicorn waits before each until the client has read most of those before, so that
    a client which reads nothing keeps one piece in the server's buffers, not the whole body."""
    for start in range(0, len(body) or 1, _PIECE):
        piece = body[start : start + _PIECE]
        await send({"type": "http.response.body", "body": piece, "more_body": start + _PIECE < len(body)})


class Pieces(Response):
    """A response whose body is sent in pieces."""

    async def __call__(self, _scope: Scope, _receive: Receive, send: Send) -> None:
        await send({"type": "http.response.start", "status": self.status_code, "headers": self.raw_headers})
        await send_body(send, bytes(self.body))
