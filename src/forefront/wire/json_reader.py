"""Reading JSON from strangers: strict first, then once more with trailing commas, else an error with line and column.

The documented cURL example ends its body with a comma before the closing brace, so that one departure from JSON is
accepted, and only after strict reading has failed. Nothing else of JSON5 is. Large bodies are read strictly alone.

Every step is linear. What runs without letting other threads run (msgspec, a regular expression's search) is bounded,
by the number of values or by bytes, so that no body stops the event loop from another thread.
"""

import json
import re
from typing import Any, Final

import msgspec

from forefront.wire.errors import ApiError

# A string is taken whole (possessively, so that a missing end quote costs linear time) and thereby never looked into.
_TOKEN = re.compile(r'"(?:\\.|[^"\\])*+"?|,(?=\s*+[}\]])|NaN|-?Infinity', re.DOTALL)
MAX_VALUES: Final = 2**18
_CHUNK = 2**16
# Bytes that are searched for trailing commas.
_RELAXED = 2**19
_NO_VALUE_BEFORE = ("", "[", "{", ",", ":")


def read_json(body: bytes) -> Any:
    """The value that `body` spells, as dicts, lists and scalars.

    Raises `ApiError`: `invalid_json` (400) with line, column and what was expected there, `body_too_large` (413) for
    more than `MAX_VALUES` values.
    """
    if len(body) > MAX_VALUES and count_values(body, MAX_VALUES) > MAX_VALUES:
        raise ApiError("body_too_large", f"The body must have at most {MAX_VALUES} JSON values.")
    try:
        return msgspec.json.decode(body)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        pass
    text = _text(body)
    if len(body) > _RELAXED:
        raise _broken(text)
    relaxed = _without_trailing_commas(text)
    if relaxed != text:
        try:
            return msgspec.json.decode(relaxed)
        except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
            pass
    raise _broken(relaxed)


def count_values(body: bytes, most: int) -> int:
    """How many values JSON text has, names in objects not counted: one more than there are commas and opening brackets
    outside of strings. An empty array or object counts as two. Stops counting beyond `most`."""
    count, inside, begin = 1, 0, 0
    while begin < len(body) and count <= most:
        chunk = body[begin : begin + _CHUNK]
        if (len(chunk) - len(chunk.rstrip(b"\\"))) % 2:  # an escape that the chunk's end would cut
            chunk = body[begin : begin + _CHUNK + 1]
        begin += len(chunk)
        if b"\\" in chunk:
            chunk = chunk.replace(b"\\\\", b"").replace(b'\\"', b"")
        parts = chunk.split(b'"')
        outside = b"".join(parts[inside::2])
        inside = (inside + len(parts) - 1) % 2
        count += sum(outside.count(character) for character in (b",", b"[", b"{"))
    return count


def _text(body: bytes) -> str:
    try:
        return body.decode()
    except UnicodeDecodeError as error:
        raise ApiError("invalid_json", f"The body is not UTF-8: byte {error.start} cannot be read.") from None


def _without_trailing_commas(text: str) -> str:
    """`text` with a space for each comma that stands between a value and a closing bracket, so that every other
    character keeps its line and column. `[,]` and `[1,,]` keep their commas."""
    kept: list[str] = []
    end = 0
    last = ""  # the last character before the comma that is not white space
    for match in _TOKEN.finditer(text):
        between = text[end : match.start()].rstrip()
        last = between[-1:] or last
        kept.append(text[end : match.start()])
        if match[0] == "," and last not in _NO_VALUE_BEFORE:
            kept.append(" ")
        else:
            kept.append(match[0])
            last = match[0][-1]
        end = match.end()
    return "".join([*kept, text[end:]])


def _broken(text: str) -> ApiError:
    """The error that says where `text` stops being JSON."""
    for match in _TOKEN.finditer(text) if len(text) <= _RELAXED else ():
        if match[0].endswith(("NaN", "Infinity")) and not match[0].startswith('"'):
            line, column = _position(text, match.start())
            return ApiError(
                "invalid_json", f"Invalid JSON at line {line}, column {column}: {match[0]} is not a number."
            )
    try:
        json.loads(text)
    except json.JSONDecodeError as error:
        expected = error.msg[0].lower() + error.msg[1:].removesuffix(" at").removesuffix(" starting")
        return ApiError("invalid_json", f"Invalid JSON at line {error.lineno}, column {error.colno}: {expected}.")
    except (RecursionError, ValueError):
        pass
    # Python's reader is the laxer one: it takes lone surrogates, numbers beyond a double, and greater depth.
    return ApiError("invalid_json", "Invalid JSON: a number is out of range, an escape is broken or it nests too deep.")


def _position(text: str, index: int) -> tuple[int, int]:
    """The one-based line and column of `index`."""
    return text.count("\n", 0, index) + 1, index - text.rfind("\n", 0, index)
