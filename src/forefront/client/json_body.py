"""Request bodies: from arguments to JSON, or to an error that gives the path of the faulty value."""

import json
import math
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import fields, is_dataclass
from enum import Enum
from typing import Any

import msgspec

from forefront.client.exceptions import InvalidArgumentError


def encode_body(body: Mapping[str, Any]) -> bytes:
    """`body` as JSON in UTF-8.

    Takes JSON values, and converts records, dataclasses, enums, Pydantic models, mappings and iterables. Raises
    `InvalidArgumentError` for anything else, NaN and infinity, lone surrogates, and values that contain themselves.
    """
    try:
        return json.dumps(body, ensure_ascii=False, allow_nan=False, separators=(",", ":"), default=_plain).encode()
    except RecursionError:
        raise InvalidArgumentError("an argument nests too deeply, or contains itself") from None
    except (TypeError, ValueError) as error:
        problem = _first_problem(body) or f"an argument cannot be sent as JSON: {error}"
        raise InvalidArgumentError(problem.encode("utf-8", "backslashreplace").decode()) from error


def _plain(value: Any) -> Any:
    if isinstance(value, msgspec.Struct):
        return msgspec.to_builtins(value)
    if is_dataclass(value) and not isinstance(value, type):
        return {field.name: getattr(value, field.name) for field in fields(value)}
    if isinstance(value, Enum):
        return value.value
    if hasattr(value, "model_dump") and not isinstance(value, type):
        return value.model_dump(mode="json", exclude_none=True)
    if isinstance(value, Mapping):
        return dict(value)
    if isinstance(value, Iterable) and not isinstance(value, bytes | bytearray | memoryview):
        return list(value)
    raise TypeError(f"an object of type {type(value).__name__} has no JSON form")


def _first_problem(body: Mapping[str, Any]) -> str | None:
    try:
        return next(_problems(body, "", frozenset()), None)
    except RecursionError:  # deeper than the encoder went
        return None


def _problems(value: Any, path: str, parents: frozenset[int]) -> Iterator[str]:
    """The parts of `value` that JSON cannot express, each with its path; computed after the encoder has failed."""
    shown = f"`{path}`" if path else "an argument"
    if id(value) in parents:
        yield f"{shown} contains itself"
    elif isinstance(value, str):
        if any("\ud800" <= character <= "\udfff" for character in value):
            yield f"{shown} has a lone surrogate (half of a character beyond U+FFFF), which UTF-8 cannot encode"
    elif isinstance(value, float):
        if not math.isfinite(value):
            yield f"{shown} must be a finite number, not {value}"
    elif isinstance(value, Mapping):
        for name, item in value.items():
            if not (name is None or isinstance(name, str | int | float)):
                yield f"{shown} has a key of type {type(name).__name__}; JSON has strings only"
            yield from _problems(name, f"a key of {path}" if path else "", frozenset())
            yield from _problems(item, f"{path}.{name}" if path else str(name), parents | {id(value)})
    elif isinstance(value, list | tuple):
        for index, item in enumerate(value):
            yield from _problems(item, f"{path}[{index}]", parents | {id(value)})
    elif not (value is None or isinstance(value, int)):
        try:
            plain = _plain(value)
        except TypeError as error:
            yield f"{shown}: {error}"
        else:
            yield from _problems(plain, path, parents | {id(value)})
