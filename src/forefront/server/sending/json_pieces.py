"""The JSON of a record with long texts and lists, encoded in pieces.

A worker thread that encodes a long list in one call keeps the interpreter lock, and the event loop waits for it.
"""

import time
from collections.abc import Iterable, Iterator, Sequence
from typing import Any, Final

import msgspec

from forefront.fairness.time_slice import yield_to_event_loop

_encode = msgspec.json.Encoder().encode
# Characters of a text, and entries of a list, that are encoded at a time.
_PIECE: Final = 2**13
# Bytes of an entry of a list in JSON beside its text, at most.
_ENTRY: Final = 16


def encode_in_pieces(record: msgspec.Struct) -> bytes:
    """As `msgspec.json.encode`, for a record whose long fields are texts, or lists of numbers or of short texts."""
    return b"".join(_pieces(record))


async def encode_each(records: Iterable[msgspec.Struct]) -> list[Any]:
    """The JSON of each record in its place, encoded on the event loop with turns for other tasks between them."""
    encoded: list[Any] = []
    rested = time.monotonic()
    for record in records:
        encoded.append(msgspec.Raw(_encode(record)))
        rested = await yield_to_event_loop(rested)
    return encoded


def encoded_size(record: msgspec.Struct) -> int:
    """The bytes of the record's long fields in JSON, about."""
    size = 0
    for _, value in _fields(record):
        if isinstance(value, str):
            size += len(value)
        elif isinstance(value, list):
            size += _ENTRY * len(value)
    return size


def _fields(record: msgspec.Struct) -> Iterator[tuple[str, Any]]:
    for field in msgspec.structs.fields(type(record)):
        value = getattr(record, field.name)
        if not (record.__struct_config__.omit_defaults and value is field.default):
            yield field.encode_name, value


def _pieces(record: msgspec.Struct) -> Iterator[bytes]:
    opening = b"{"
    for name, value in _fields(record):
        yield b'%b"%b":' % (opening, name.encode())
        opening = b","
        if isinstance(value, str):
            yield b'"'
            yield from (piece for _, piece in _encoded(value))
            yield b'"'
        elif isinstance(value, list):
            yield b"["
            for begin, piece in _encoded(value):
                yield b",%b" % piece if begin else piece
            yield b"]"
        else:
            yield _encode(value)
    yield b"{}" if opening == b"{" else b"}"


def _encoded(value: Sequence[Any]) -> Iterator[tuple[int, bytes]]:
    """The first index of each piece, and its JSON without quotes or brackets."""
    return ((begin, _encode(value[begin : begin + _PIECE])[1:-1]) for begin in range(0, len(value), _PIECE))
