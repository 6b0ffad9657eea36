"""Chunks of a stream that differ only in one text, read without parsing each of them."""

from collections.abc import Callable, Sequence
from typing import Final

import msgspec

# A substitute text, to verify the position of the text in a chunk.
_PROBE: Final = "\x00 probe"
_PROBE_JSON: Final = msgspec.json.encode(_PROBE)
_decode_text = msgspec.json.Decoder(str).decode
_decode_texts = msgspec.json.Decoder(list[str]).decode


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

    def read(self, chunks: Sequence[bytes]) -> list[str]:
        """The texts of the chunks up to the last ones of another form. Empty where another form, or an empty text,
        comes first or between."""
        end = len(chunks)
        if end == 1:
            return self._read_one(chunks[0])
        while end and not self._fits(chunks[end - 1]):
            end -= 1
        if not end or not self._fits(chunks[0]):
            return []
        joined = b"\n".join(chunks[:end])
        # A JSON string has no line feed, so all chunks have this form exactly if each piece is one string.
        pieces = joined[len(self._prefix) : len(joined) - len(self._suffix)].split(self._between)
        if len(pieces) != end:
            return []
        try:
            texts = _decode_texts(b"[" + b",".join(pieces) + b"]")
        except (msgspec.DecodeError, UnicodeDecodeError):
            return []
        return texts if len(texts) == end and "" not in texts else []

    def _read_one(self, chunk: bytes) -> list[str]:
        """The same for a chunk that has arrived alone, in a third of the instructions."""
        if not self._fits(chunk):
            return []
        try:
            text = _decode_text(chunk[len(self._prefix) : len(chunk) - len(self._suffix)])
        except (msgspec.DecodeError, UnicodeDecodeError):
            return []
        return [text] if text else []

    def _fits(self, chunk: bytes) -> bool:
        return chunk.startswith(self._prefix) and chunk.endswith(self._suffix)
