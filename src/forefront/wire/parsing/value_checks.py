"""Checks of single values in raw JSON. All raise `RequestError` 422 with the path of the value."""

from typing import Any

from forefront.wire.errors import RequestError

Fields = dict[str, Any]


def check_boolean(value: Any, path: str) -> bool:
    """`value`, if it is true or false."""
    check_type(value, bool, "true or false", path)
    return bool(value)


def check_text(value: Any, path: str) -> str:
    """`value`, if it is a string with at least one character."""
    check_type(value, str, "a string", path)
    if not value:
        raise RequestError("invalid_value", f"`{path}` must have at least 1 character.", param=path)
    return str(value)


def check_type(value: Any, kind: type, name: str, path: str) -> None:
    """Raise unless the value has that type, called `name` in the message."""
    if not isinstance(value, kind):
        raise RequestError("invalid_type", f"`{path}` must be {name}.", param=path)


def same_value(first: Any, other: Any) -> bool:
    """Whether two values are the same JSON; to Python, false is 0 and true is 1."""
    return bool(first == other) and isinstance(first, bool) is isinstance(other, bool)


def put_field(fields: Fields, name: str, value: Any, alias: str) -> None:
    """Set a field under its own name. Raises if it has another value already."""
    if name in fields and not same_value(fields[name], value):
        text = f"`{alias}` and `{name}` mean the same but have different values."
        raise RequestError("invalid_value", text, param=alias)
    fields[name] = value
