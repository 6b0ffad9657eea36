"""Reading JSON from strangers: strict first, then once more with trailing commas, else an error with line and column.

The documented cURL example ends its body with a comma before the closing brace, so that one departure from JSON is
accepted, and only after strict reading has failed. Nothing else of JSON5 is.
"""

import json
import re
from typing import Any

import msgspec

from forefront.wire.errors import ApiError

# A string is taken whole (possessively, so that a missing end quote costs linear time) and thereby never looked into.
_TOKEN = re.compile(r'"(?:\\.|[^"\\])*+"?|,(?=\s*+[}\]])|NaN|-?Infinity', re.DOTALL)
_NO_VALUE_BEFORE = ("", "[", "{", ",", ":")


def read_json(body: bytes) -> Any:
    """The value that `body` spells, as dicts, lists and scalars.

    Raises `ApiError` `invalid_json` (400) with line, column and what was expected there.
    """
    try:
        return msgspec.json.decode(body)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        pass
    text = _text(body)
    relaxed = _without_trailing_commas(text)
    if relaxed != text:
        try:
            return msgspec.json.decode(relaxed)
        except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
            pass
    raise _broken(relaxed)


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
    for match in _TOKEN.finditer(text):
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
