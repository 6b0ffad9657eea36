"""The grammar of arguments, in the several ways in which models write them."""

import re
from collections.abc import Callable, Mapping
from typing import Any, Final

from forefront.chat.grammar.source import json_lark
from forefront.chat.tools.schema import enumerated, is_open, part_alone, properties, required, resolve, types
from forefront.chat.tools.tool_format import Rules, compact, literal
from forefront.wire.errors import ApiError
from forefront.wire.tools import Tool

_NO_PARAMETERS: Final[dict[str, Any]] = {"type": "object", "properties": {}, "additionalProperties": False}
# A name of an argument where the schema leaves it open.
FREE_NAME: Final = "/[a-zA-Z_][a-zA-Z0-9_]{0,63}/"
# Characters that a string may be bound to have, at most: a lexer has a state for each.
_LONGEST: Final = 1000
# Parts of a pattern that mean something else, or nothing, in llguidance.
_FOREIGN: Final = re.compile(r"\(\?|\\[bBkKpPuxc1-9]")


def schema_of(tool: Tool) -> dict[str, Any]:
    """The JSON schema of the tool's arguments."""
    return _NO_PARAMETERS if tool.function.parameters is None else tool.function.parameters


def json_arguments(tool: Tool) -> str:
    """Lark expression for the arguments as one JSON object."""
    return json_lark({"type": "object", **schema_of(tool)}, lenient=not tool.function.strict)


def json_value(part: Any, tool: Tool) -> str:
    """Lark expression for JSON of a part of the tool's schema."""
    return json_lark(part_alone(part, schema_of(tool)), lenient=not tool.function.strict)


def sequence(
    schema: Mapping[str, Any], argument: Callable[[str, Any], str], free: str, separator: str, rules: Rules
) -> str:
    """Lark expression for the arguments of `schema` one after the other, optional ones left out or not.

    `argument` makes the expression of one, given its name and schema; `free` is one of any other name.
    """
    named, needed = properties(schema), required(schema)
    if not named:
        return f"({free} ({separator} {free})*)?" if is_open(schema) else ""
    made = [(rules.rule(argument(key, part)), key in needed) for key, part in named.items()]
    if not separator:
        return " ".join(name if must else f"{name}?" for name, must in made)
    # From the end: what may follow an argument, and what may come where there is none before.
    rest = first = '""'
    for name, must in reversed(made):
        first = rules.rule(f"{name} {rest}" if must else f"{name} {rest} | {first}")
        rest = rules.rule(f"{separator} {name} {rest}" if must else f"({separator} {name})? {rest}")
    return first


def raw_text(part: Any, tool: Tool, end: str, rules: Rules, marker: str = "") -> str:
    """Lark expression for a value between tags: a string as it is, anything else as JSON; `end` behind it, which is
    the Lark expression `marker` if it is a control token.

    The pattern and the lengths of a string hold where llguidance can keep them.
    """
    root = schema_of(tool)
    behind = marker or literal(end)
    values = enumerated(part, root)
    if values is not None:
        return f"({' | '.join(literal(v if isinstance(v, str) else compact(v)) for v in values)}) {behind}"
    allowed = types(part, root)
    if not allowed or "string" not in allowed:
        return f"{json_value(part, tool)} {behind}"
    return free_text(end, rules, string_limits(resolve(part, root), tool) if allowed == {"string"} else {}, marker)


def string_limits(schema: Mapping[str, Any], tool: Tool) -> dict[str, Any]:
    """The keywords of a string's schema that hold for text that is not JSON.

    Others are left out, or, in a function with `strict`, raise `ApiError` (422).
    """
    kept = {key: schema[key] for key in ("minLength", "maxLength", "pattern") if key in schema}
    if "pattern" in kept and not _expressible(kept["pattern"]):
        del kept["pattern"]
    for key in ("minLength", "maxLength"):
        if key in kept and not (isinstance(kept[key], int) and 0 <= kept[key] <= _LONGEST):
            del kept[key]
    lost = [key for key in ("format", "pattern", "minLength", "maxLength") if key in schema and key not in kept]
    if lost and tool.function.strict:
        text = f"`{lost[0]}` of a string in `{tool.function.name}` cannot be held to in this model's format of calls."
        raise ApiError("invalid_value", f"`tools`: {text} Leave it out, or set `strict` to false.", param="tools")
    return kept


def _expressible(pattern: Any) -> bool:
    """Whether llguidance reads the pattern as it is meant."""
    if not isinstance(pattern, str) or _FOREIGN.search(pattern):
        return False
    try:
        re.compile(pattern)
    except (re.error, RecursionError, OverflowError):
        return False
    return True


def free_text(end: str, rules: Rules, limits: Mapping[str, Any] | None = None, marker: str = "") -> str:
    """Lark expression for text up to `end`, which it includes; see `raw_text`. `limits`: see `string_limits`."""
    limits = limits or {}
    least, most = limits.get("minLength", 0), limits.get("maxLength")
    count = "*" if not least and most is None else f"{{{least},{'' if most is None else most}}}"
    escaped = escape(end)
    # As one terminal with its end: a lexer would not give back what text alone has taken of it.
    last = "" if marker else escaped
    expression = f"/(?s:.{count}){last}/ & ~/(?s:.*){escape(end.lstrip())}(?s:{'.*' if marker else '.+'})/"
    pattern = limits.get("pattern")
    if pattern is not None:
        begin = "" if pattern.startswith("^") else "(?s:.*)"
        finish = "" if pattern.endswith("$") else "(?s:.*)"
        body = pattern.removeprefix("^").removesuffix("$").replace("/", "\\/")
        expression += f" & /{begin}({body}){finish}{last}/"
    return f"{rules.terminal(expression)} {marker}".rstrip()


def escape(text: str) -> str:
    """The text as a part of a regular expression between slashes."""
    return re.escape(text).replace("/", "\\/").replace("\\\n", "\\n").replace("\n", "\\n")
