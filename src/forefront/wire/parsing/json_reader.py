"""Reads JSON from clients: first strictly, then with two tolerances; otherwise an error with line and column.

A byte order mark at the beginning is ignored, as RFC 8259 allows. Two departures from JSON are accepted, after strict
reading has failed: a comma before a closing bracket, which the documented cURL example has, and a lone surrogate (from
a text truncated by UTF-16 units), which is read as U+FFFD. Larger bodies are only read strictly, because a search holds
the interpreter lock until it ends.
"""

import json
import re
from codecs import BOM_UTF8
from math import isinf
from typing import Any

import msgspec

from forefront.wire.errors import RequestError
from forefront.wire.parsing.json_decoder import decode_json

# A string is taken whole (possessively, so that a missing end quote costs linear time) and thereby never looked into.
_TOKEN = re.compile(rb'"(?:\\.|[^"\\])*+"?|,(?=\s*+[}\]])|NaN|-?Infinity', re.DOTALL)
# Escapes in order: a pair of surrogates, a lone one, any other.
_HIGH, _LOW = rb"\\u[dD][89abAB][0-9a-fA-F]{2}", rb"\\u[dD][c-fC-F][0-9a-fA-F]{2}"
_ESCAPE = re.compile(rb"%b%b|(?P<lone>%b|%b)|\\." % (_HIGH, _LOW, _HIGH, _LOW), re.DOTALL)
# Bytes of a body that is searched for departures.
_RELAXED = 2**19
_NUMBER = re.compile(rb'"(?:\\.|[^"\\])*+"?|(?P<number>-?\d[\d.eE+-]*+)', re.DOTALL)
_MAX_DIGITS = 4300  # of an integer, as Python has it
# A string that ends in half of a surrogate pair, at the end of a body.
_ENDS_IN_HALF = re.compile(rb'\\u[dD][89a-fA-F][0-9a-fA-F]{2}"[\s\]}]*\Z')
# The position in msgspec's message.
_PLACE = re.compile(r"JSON is malformed: (?P<reason>.*) \(byte (?P<byte>\d+)\)")
_NO_VALUE_BEFORE = (b"", b"[", b"{", b",", b":")


def read_json(body: bytes | bytearray, *, replace_surrogates: bool = True) -> Any:
    """The value of a JSON text, as dicts, lists and scalars. Without `replace_surrogates` a lone one is an error.

    Raises `RequestError` `invalid_json` (400) with line, column and what was expected there.
    """
    if body.startswith(BOM_UTF8):
        body = body[len(BOM_UTF8) :]
    try:
        return decode_json(body)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        failure = error.with_traceback(None)
    if not body:
        raise RequestError("invalid_json", "The body is empty: send a JSON object.")
    _check_text(body)
    if len(body) > _RELAXED:
        raise _strict_error(body, failure)  # to read it again would hold the lock for twice the time
    relaxed = _without_trailing_commas(_without_lone_surrogates(body) if replace_surrogates else body)
    if relaxed != body:
        try:
            return decode_json(relaxed)
        except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
            pass
    raise _broken(relaxed)


def _check_text(body: bytes | bytearray) -> None:
    try:
        body.decode()
    except UnicodeDecodeError as error:
        line, column = _position(body, error.start)
        text = f"The body is not UTF-8 at line {line}, column {column} (byte {error.start})."
        raise RequestError("invalid_json", text) from None


def _without_lone_surrogates(body: bytes | bytearray) -> bytes | bytearray:
    """`body` with U+FFFD for each surrogate without a partner; all other bytes keep their places."""
    if b"\\u" not in body:
        return body
    return _ESCAPE.sub(lambda match: rb"\ufffd" if match["lone"] else match[0], body)


def _without_trailing_commas(body: bytes | bytearray) -> bytes:
    """`body` with a space for each comma between a value and a closing bracket, so that every other
    character keeps its line and column. `[,]` and `[1,,]` keep their commas."""
    relaxed = bytearray(body)  # changed in place: a list of the parts would take up to 40 times the body's size
    end = 0
    last: bytes | bytearray = b""  # the last character before the comma that is not whitespace
    for match in _TOKEN.finditer(body):
        last = body[end : match.start()].rstrip()[-1:] or last
        end = match.end()
        if match[0] == b"," and last not in _NO_VALUE_BEFORE:
            relaxed[match.start()] = ord(" ")
        else:
            last = match[0][-1:]
    return bytes(relaxed)


def _broken(body: bytes | bytearray) -> RequestError:
    """The error with the place where `body` stops being JSON."""
    for match in _TOKEN.finditer(body):
        if match[0].endswith((b"NaN", b"Infinity")) and not match[0].startswith(b'"'):
            return _error_at(body, match.start(), f"{match[0].decode()} is not a number")
    try:
        json.loads(body, parse_float=_skip, parse_int=_skip)
    except json.JSONDecodeError as error:
        expected = error.msg[0].lower() + error.msg[1:].removesuffix(" at").removesuffix(" starting")
        return RequestError("invalid_json", f"Invalid JSON at line {error.lineno}, column {error.colno}: {expected}.")
    except (RecursionError, ValueError):
        pass
    # Python's reader accepts more: lone surrogates, numbers beyond a double, greater depth.
    return _beyond_python(body)


def _skip(_number: str) -> int:
    """Replaces the conversion of numbers: a call of Python code lets other threads run."""
    return 0


def _beyond_python(body: bytes | bytearray) -> RequestError:
    """The error for a body that only the strict reader refuses."""
    try:
        decode_json(body)
    except (msgspec.DecodeError, RecursionError) as error:
        if not isinstance(error, RecursionError) and (found := _number_out_of_range(body)) is not None:
            return _error_at(body, found, "the number is out of range")
        return _strict_error(body, error)
    return RequestError("invalid_json", "The body is not JSON.")


def _strict_error(body: bytes | bytearray, failure: Exception) -> RequestError:
    """The error for a failure of the strict reader."""
    if isinstance(failure, RecursionError):
        return RequestError("invalid_json", "Invalid JSON: it nests too deep.")
    text = str(failure)
    if place := _PLACE.search(text):
        return _error_at(body, int(place["byte"]), place["reason"])
    # msgspec reports half of a pair at the end of the last string as a text that breaks off.
    if "truncated" in text and not _ENDS_IN_HALF.search(body[-16:]):
        return _error_at(body, len(body), "the text ends too early")
    reason = "a number is out of range" if "range" in text else "half of a surrogate pair"
    return RequestError("invalid_json", f"Invalid JSON: {reason}.")


def _number_out_of_range(body: bytes | bytearray) -> int | None:
    """The place of a number beyond a double, or of an integer of too many digits."""
    return next((match.start() for match in _NUMBER.finditer(body) if _is_too_large(match["number"])), None)


def _is_too_large(number: bytes | None) -> bool:
    if number is None:
        return False
    try:
        return isinf(float(number)) or (len(number) > _MAX_DIGITS and number.lstrip(b"-").isdigit())
    except ValueError:
        return False


def _error_at(body: bytes | bytearray, index: int, reason: str) -> RequestError:
    line, column = _position(body, index)
    return RequestError("invalid_json", f"Invalid JSON at line {line}, column {column}: {reason}.")


def _position(body: bytes | bytearray, index: int) -> tuple[int, int]:
    """The one-based line and column, in characters, of the byte at `index`."""
    line = body.rfind(b"\n", 0, index) + 1
    return body.count(b"\n", 0, index) + 1, len(body[line:index].decode(errors="replace")) + 1
