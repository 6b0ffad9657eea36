"""The chunks of a stream that differ in one text alone, read without parsing each of them."""

from collections.abc import Callable, Sequence
from typing import Final

import msgspec

# A text that is put in place of another, to prove where the text of a chunk is.
_PROBE: Final = "\x00 probe"
_PROBE_JSON: Final = msgspec.json.encode(_PROBE)
_texts = msgspec.json.Decoder(list[str])


class TextPattern:
    """The bytes before and after the JSON string in which chunks differ."""

    def __init__(self, prefix: bytes, suffix: bytes) -> None:
        self._prefix = prefix
        self._suffix = suffix
        self._between = suffix + b"\n" + prefix

    @classmethod
    def learn(cls, data: bytes, text: str, read: Callable[[bytes], str | None]) -> "TextPattern | None":
        """The pattern of a chunk with `text`; None where its place is not certain. `read` reads the text of a chunk."""
        string = msgspec.json.encode(text)
        if b"\n" in data or data.count(string) != 1:
            return None
        prefix, _, suffix = data.partition(string)
        return cls(prefix, suffix) if read(prefix + _PROBE_JSON + suffix) == _PROBE else None

    def read(self, chunks: Sequence[bytes]) -> list[str] | None:
        """The texts of the chunks; None if one of them has another form, or an empty text."""
        joined, prefix, suffix = b"\n".join(chunks), self._prefix, self._suffix
        if not (joined.startswith(prefix) and joined.endswith(suffix)):
            return None
        # A JSON string has no line feed, so the chunks are of this form exactly if each piece is one string.
        pieces = joined[len(prefix) : len(joined) - len(suffix)].split(self._between)
        if len(pieces) != len(chunks):
            return None
        try:
            texts = _texts.decode(b"[" + b",".join(pieces) + b"]")
        except (msgspec.DecodeError, UnicodeDecodeError):
            return None
        return texts if len(texts) == len(chunks) and "" not in texts else None
