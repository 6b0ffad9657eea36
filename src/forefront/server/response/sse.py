"""Events as server-sent events, framed so that every client in use can read them.

A comment line, the JSON, a blank line: `: message\\ndata: {…}\\n\\n`. Parsers of the standard skip the comment; the
published Forefront client for Node takes the word behind the first colon for the event's name and the second line for
its data. `event:` fields are not sent, because some OpenAI clients drop what has them.
"""

import math
from typing import Any, Final

import msgspec

DONE: Final = b": message\ndata: [DONE]\n\n"

_encoder = msgspec.json.Encoder()


def frame(payload: Any) -> bytes:
    """One event."""
    return b": message\ndata: " + _encoder.encode(payload) + b"\n\n"


def waiting(ahead: int, seconds: float) -> bytes:
    """A comment, which every parser skips: how many requests are ahead in the queue, and the wait that this means."""
    if ahead == 0:
        return b": waiting\n\n"
    return f": waiting, {ahead} ahead, about {math.ceil(seconds)} s\n\n".encode()
