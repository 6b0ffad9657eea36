"""Frames of text deltas, the most frequent events of a stream. Those of one choice differ only in their text."""

from typing import Any, Final

import msgspec

from forefront.server.sending.sse import encode_event

encode_text: Final = msgspec.json.Encoder().encode


def surroundings_of(text: str, chunk: Any) -> tuple[bytes, bytes]:
    """What surrounds the JSON of `text` in the frame of `chunk`, which contains it once."""
    before, _, after = encode_event(chunk).partition(encode_text(text))
    return before, after
