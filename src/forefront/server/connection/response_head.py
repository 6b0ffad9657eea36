"""The heads of usual responses, written at once. uvicorn checks and copies each header by itself, in four times the
instructions."""

import re
from collections.abc import Awaitable
from typing import Final

from starlette.types import ASGIApp, Message, Receive, Scope, Send
from uvicorn.protocols.http.httptools_impl import STATUS_LINE, RequestResponseCycle

_LINE: Final = b"%b: %b\r\n"
# Lines with a name in lower case, and a value without control characters.
_LINES: Final = re.compile(rb"(?:[a-z0-9-]+: [^\x00-\x08\x0a-\x1f\x7f]*\r\n)+")
# Headers that change the framing, and statuses without a body: left to uvicorn.
_FRAMING: Final = frozenset({b"connection", b"transfer-encoding"})
_BODILESS: Final = frozenset({204, 304})


def with_response_head(cycle: RequestResponseCycle, app: ASGIApp) -> ASGIApp:
    """`app`, whose response heads are written by `write_head` where that is possible."""

    def answer(scope: Scope, receive: Receive, send: Send) -> Awaitable[None]:
        async def send_message(message: Message) -> None:
            if message["type"] != "http.response.start" or not write_head(cycle, message):
                await send(message)

        return app(scope, receive, send_message)

    return answer


def write_head(cycle: RequestResponseCycle, message: Message) -> bool:
    """Write the head of a response. False, and nothing is written, for one that is not usual."""
    status, headers = message["status"], [*cycle.default_headers, *message.get("headers", ())]
    index = dict(headers)
    if cycle.response_started or cycle.disconnected or cycle.flow.write_paused or not cycle.keep_alive:
        return False
    if status < 200 or status in _BODILESS or cycle.scope["method"] == "HEAD" or _FRAMING & index.keys():
        return False
    length = index.get(b"content-length")
    lines = b"".join(map(_LINE.__mod__, map(tuple, headers)))
    if lines.count(b"\r\n") != len(headers) or not _LINES.fullmatch(lines) or not (length or b"0").isdigit():
        return False
    cycle.response_started, cycle.waiting_for_100_continue = True, False
    cycle.chunked_encoding = length is None
    if length is not None:
        cycle.expected_content_length = int(length)
    cycle.transport.write(
        b"%b%b%b" % (STATUS_LINE[status], lines, b"transfer-encoding: chunked\r\n\r\n" if length is None else b"\r\n")
    )
    return True
