"""Reading JSON from strangers: strict first, then once more with trailing commas, else an error with line and column.

The documented cURL example ends its body with a comma before the closing brace, so that one departure from JSON is
accepted, and only after strict reading has failed. Nothing else of JSON5 is. Large bodies are read strictly alone: a
search holds Python's lock to its end, and other threads with it.
"""

import json
import re
from typing import Any

import msgspec

from forefront.wire.errors import ApiError

# A string is taken whole (possessively, so that a missing end quote costs linear time) and thereby never looked into.
_TOKEN = re.compile(rb'"(?:\\.|[^"\\])*+"?|,(?=\s*+[}\]])|NaN|-?Infinity', re.DOTALL)
# Bytes that are searched for trailing commas.
_RELAXED = 2**19
_NO_VALUE_BEFORE = (b"", b"[", b"{", b",", b":")


def read_json(body: bytes | bytearray) -> Any:
    """The value that `body` spells, as dicts, lists and scalars.

    Raises `ApiError` `invalid_json` (400) with line, column and what was expected there.
    """
    try:
        return msgspec.json.decode(body)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        pass
    _check_text(body)
    if len(body) > _RELAXED:
        raise _broken(body)
    relaxed = _without_trailing_commas(body)
    if relaxed != body:
        try:
            return msgspec.json.decode(relaxed)
        except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
            pass
    raise _broken(relaxed)


def _check_text(body: bytes | bytearray) -> None:
    try:
        body.decode()
    except UnicodeDecodeError as error:
        raise ApiError("invalid_json", f"The body is not UTF-8: byte {error.start} cannot be read.") from None


def _without_trailing_commas(body: bytes | bytearray) -> bytes:
    """`body` with a space for each comma that stands between a value and a closing bracket, so that every other
    character keeps its line and column. `[,]` and `[1,,]` keep their commas."""
    relaxed = bytearray(body)  # changed in place: a list of the parts would take up to 40 times the body's size
    end = 0
    last: bytes | bytearray = b""  # the last character before the comma that is not white space
    for match in _TOKEN.finditer(body):
        last = body[end : match.start()].rstrip()[-1:] or last
        end = match.end()
        if match[0] == b"," and last not in _NO_VALUE_BEFORE:
            relaxed[match.start()] = ord(" ")
        else:
            last = match[0][-1:]
    return bytes(relaxed)


def _broken(body: bytes | bytearray) -> ApiError:
    """The error that says where `body` stops being JSON."""
    text = body.decode()
    for match in _TOKEN.finditer(body) if len(body) <= _RELAXED else ():
        if match[0].endswith((b"NaN", b"Infinity")) and not match[0].startswith(b'"'):
            line, column = _position(body, match.start())
            message = f"Invalid JSON at line {line}, column {column}: {match[0].decode()} is not a number."
            return ApiError("invalid_json", message)
    try:
        json.loads(text)
    except json.JSONDecodeError as error:
        expected = error.msg[0].lower() + error.msg[1:].removesuffix(" at").removesuffix(" starting")
        return ApiError("invalid_json", f"Invalid JSON at line {error.lineno}, column {error.colno}: {expected}.")
    except (RecursionError, ValueError):
        pass
    # Python's reader is the laxer one: it takes lone surrogates, numbers beyond a double, and greater depth.
    return ApiError("invalid_json", "Invalid JSON: a number is out of range, an escape is broken or it nests too deep.")


def _position(body: bytes | bytearray, index: int) -> tuple[int, int]:
    """The one-based line and column, in characters, of the byte at `index`."""
    line = body.rfind(b"\n", 0, index) + 1
    return body.count(b"\n", 0, index) + 1, len(body[line:index].decode()) + 1
