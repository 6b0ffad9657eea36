"""Server-sent events, in a framing that all known clients can read.

A comment line, the JSON, a blank line: `: message\\ndata: {…}\\n\\n`. Parsers of the standard skip the comment. The
published Forefront client for Node takes the word after the first colon for the event's name and the second line for
its data. `event:` fields are not sent, because some OpenAI clients drop such events.
"""

import math
from typing import Any, Final

import msgspec

DONE: Final = b": message\ndata: [DONE]\n\n"
# A key of a response's last ASGI message: the stream ends with an error.
STREAM_FAILED: Final = "forefront.stream_failed"
# A key of the ASGI messages of a stream: the number of its last event so far, from 0.
EVENT_NUMBER: Final = "forefront.event_number"
# Keys of a request's ASGI scope. The events of its stream have ids, since it can be resumed.
RESUMABLE: Final = "forefront.resumable"
# A buffer holds the stream, so each event is its own message.
BUFFERED: Final = "forefront.buffered"

_encoder = msgspec.json.Encoder()


def encode_event(payload: Any) -> bytes:
    """One event with `payload` as JSON."""
    return b": message\ndata: " + _encoder.encode(payload) + b"\n\n"


def with_id(event: bytes, number: int) -> bytes:
    """The event with its number as `id:`, after its data."""
    return b"%bid: %d\n\n" % (event[:-1], number)


def encode_comment(text: str) -> bytes:
    """A comment, which clients skip.

    No blank line follows it: openai-go takes each blank line for the end of an event, and openai-python each one after
    an `id:`. Both fail to parse the empty data as JSON.
    """
    return f": {text}\n".encode()


def encode_waiting(ahead: int, seconds: float) -> bytes:
    """A comment for a stream without events: the number of requests ahead in the queue, and the estimated wait."""
    return encode_comment(f"waiting, {ahead} ahead, about {math.ceil(seconds)} s" if ahead else "waiting")
