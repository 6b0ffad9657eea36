"""Events as server-sent events, framed so that every client in use can read them.

A comment line, the JSON, a blank line: `: message\\ndata: {…}\\n\\n`. Parsers of the standard skip the comment; the
published Forefront client for Node takes the word behind the first colon for the event's name and the second line for
its data. `event:` fields are not sent, because some OpenAI clients drop what has them.
"""

from typing import Any, Final

import msgspec

DONE: Final = b": message\ndata: [DONE]\n\n"

_encoder = msgspec.json.Encoder()


def frame(payload: Any) -> bytes:
    """One event."""
    return b": message\ndata: " + _encoder.encode(payload) + b"\n\n"
