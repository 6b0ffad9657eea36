"""Lark expressions for JSON strings and numbers of a schema."""

import json
from collections.abc import Sequence
from decimal import Decimal
from typing import Any, Final

from forefront.chat.grammar.automaton.regex_syntax import RegexSyntaxError
from forefront.chat.grammar.schema.ecma_pattern import JSON_TEXT, TextNotation, pattern_terminal
from forefront.chat.grammar.schema.number_pattern import (
    INTEGER,
    NUMBER,
    integer_at_least,
    integer_at_most,
    number_at_least,
    number_at_most,
)
from forefront.chat.grammar.schema.schema_intersection import Flat, NoValueError
from forefront.chat.grammar.schema.schema_report import SchemaReport
from forefront.chat.grammar.schema.string_formats import FORMATS

# Any JSON string without lone surrogates.
_UNIT: Final = (
    r"(?:[^\x22\\\x00-\x1f]|\\[\x22\\\x2fbfnrt]|\\u(?:[0-9abcefABCEF][0-9a-fA-F]{3}|[dD][0-7][0-9a-fA-F]{2})"
    r"|\\u[dD][89abAB][0-9a-fA-F]{2}\\u[dD][c-fC-F][0-9a-fA-F]{2})"
)
STRING: Final = rf"/\x22{_UNIT}*\x22/"
# Maximum string length, even if a schema allows more: a lexer has a state for each character.
_MAX_LENGTH: Final = 10_000
# A greater minimum is not enforced.
_MAX_MIN_LENGTH: Final = 1_000
_LARGEST: Final = 1e200
_MAX_DIVISOR: Final = 10_000
_QUOTE: Final = r"/\x22/"


def string(schema: Flat, path: str, report: SchemaReport, excluded: Sequence[str] = ()) -> str:
    """The expression of a terminal. `excluded` are values that the string must not have."""
    conditions = string_conditions(schema, path, report, JSON_TEXT)
    if excluded:
        values = " | ".join(json.dumps(json.dumps(value, ensure_ascii=False)[1:-1]) for value in excluded)
        conditions.append(f"~({values})")
    limits = lengths(schema, path, report)
    if not conditions:
        return STRING if limits is None else rf"/\x22{_UNIT}{limits}\x22/"
    if limits is not None:
        conditions.append(f"/{JSON_TEXT.any_character}{limits}/")
    if conditions[0].startswith("~"):
        conditions.insert(0, JSON_TEXT.anything)
    return f"{_QUOTE} ({' & '.join(conditions)}) {_QUOTE}"


def string_conditions(schema: Flat, path: str, report: SchemaReport, text: TextNotation) -> list[str]:
    """Expressions that the text of a string must match, all of them: its patterns, or else its formats.

    A format beside a pattern is an annotation: libraries that write both validate only the pattern.
    """
    conditions = []
    for pattern in _values(schema, "pattern"):
        try:
            if not isinstance(pattern, str):
                raise RegexSyntaxError("it is not a string")
            conditions.append(pattern_terminal(pattern, text))
        except RegexSyntaxError as error:
            report.leave_out(path, "pattern", str(error))
    if "pattern" not in schema:
        names = (*_values(schema, "format"), *_values(schema, "contentEncoding"))
        formats = [FORMATS[name] for name in names if isinstance(name, str) and name in FORMATS]
        conditions += [pattern_terminal(f"^(?:{pattern})$", text) for pattern in formats]
    return conditions


def lengths(schema: Flat, path: str, report: SchemaReport) -> str | None:
    """`minLength` and `maxLength` as a quantifier, None without either."""
    minimum, maximum = report.count(schema, path, "minLength") or 0, report.count(schema, path, "maxLength")
    if minimum > _MAX_MIN_LENGTH:
        report.leave_out(path, "minLength", f"more than {_MAX_MIN_LENGTH} characters")
        minimum = 0
    if maximum is not None and maximum < minimum:
        raise NoValueError
    if not minimum and maximum is None:
        return None
    return f"{{{minimum},{'' if maximum is None else min(maximum, _MAX_LENGTH)}}}"


def number(schema: Flat, path: str, report: SchemaReport, *, integer: bool) -> str:
    """The expression of a number: a terminal, or `%json` for multiples that only llguidance itself can express."""
    low, high = _bound(schema, path, report, "minimum", max), _bound(schema, path, report, "maximum", min)
    if low is not None and high is not None:
        (minimum, open_below), (maximum, open_above) = low, high
        if minimum > maximum or (minimum == maximum and (open_below or open_above)):
            raise NoValueError
    multiple = _multiple(schema, path, report, integer=integer)
    if multiple is not None:
        return f"%json {json.dumps(_json_number(multiple, low, high, integer=integer))}"
    at_least, at_most = (integer_at_least, integer_at_most) if integer else (number_at_least, number_at_most)
    conditions = [] if low is None else [f"/{at_least(low[0], exclusive=low[1])}/"]
    conditions += [] if high is None else [f"/{at_most(high[0], exclusive=high[1])}/"]
    return " & ".join(conditions) or f"/{INTEGER if integer else NUMBER}/"


def _json_number(
    multiple: int | float, low: tuple[Decimal, bool] | None, high: tuple[Decimal, bool] | None, *, integer: bool
) -> dict[str, Any]:
    found: dict[str, Any] = {"type": "integer" if integer else "number", "multipleOf": multiple}
    # Two of them at one place would otherwise allow whitespace before the number.
    found["x-guidance"] = {"whitespace_flexible": False}
    names = (("minimum", "exclusiveMinimum", low), ("maximum", "exclusiveMaximum", high))
    for inclusive, exclusive, bound in names:
        if bound is not None:
            value = int(bound[0]) if bound[0] == int(bound[0]) else float(bound[0])
            found[exclusive if bound[1] else inclusive] = value
    return found


def _multiple(schema: Flat, path: str, report: SchemaReport, *, integer: bool) -> int | float | None:
    value = schema.get("multipleOf")
    if value is None or (integer and value == 1):
        return None
    if isinstance(value, bool) or not isinstance(value, int | float) or value <= 0:
        report.malformed(path, "multipleOf", "it is not a positive number")
        return None
    digits = Decimal(repr(value)).as_tuple()
    size = int("".join(map(str, digits.digits)))
    exponent = digits.exponent if isinstance(digits.exponent, int) else 0
    if size * 10 ** max(0, exponent) > _MAX_DIVISOR or exponent < -6:
        report.leave_out(path, "multipleOf", f"its numerator is above {_MAX_DIVISOR}")
        return None
    return int(value) if value == int(value) else value


def _bound(schema: Flat, path: str, report: SchemaReport, keyword: str, choose: Any) -> tuple[Decimal, bool] | None:
    """The stricter of two bounds, and whether the bound itself is excluded."""
    found: list[tuple[Decimal, bool]] = []
    exclusive = "exclusive" + keyword.capitalize()
    for name in (keyword, exclusive):
        value = schema.get(name)
        if value is None or isinstance(value, bool):  # draft 4 writes `exclusiveMinimum: true`
            continue
        if not isinstance(value, int | float):
            report.malformed(path, name, "it is not a number")
            continue
        if abs(value) > _LARGEST:
            if (value > 0) is (keyword == "minimum"):
                raise NoValueError
            continue  # beyond every number that can be written
        found.append((Decimal(repr(value)), name == exclusive or schema.get(exclusive) is True))
    if not found:
        return None
    tightest = choose(bound for bound, _ in found)
    return tightest, any(is_open for bound, is_open in found if bound == tightest)


def _values(schema: Flat, keyword: str) -> tuple[Any, ...]:
    value = schema.get(keyword)
    return () if value is None else value if isinstance(value, tuple) else (value,)
