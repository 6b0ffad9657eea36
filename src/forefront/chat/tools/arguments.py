"""The grammar of arguments, in the several ways in which models write them."""

import re
from collections.abc import Callable, Mapping
from typing import Any, Final

from forefront.chat.grammar_source import json_lark
from forefront.chat.tools.schema import enumerated, is_open, part_alone, properties, required, types
from forefront.chat.tools.tool_format import compact, literal
from forefront.wire.tools import Tool

_NO_PARAMETERS: Final[dict[str, Any]] = {"type": "object", "properties": {}, "additionalProperties": False}
# A name of an argument where the schema leaves it open.
FREE_NAME: Final = "/[a-zA-Z_][a-zA-Z0-9_]{0,63}/"
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


def sequence(schema: Mapping[str, Any], argument: Callable[[str, Any], str], free: str, separator: str = "") -> str:
    """Lark expression for the arguments of `schema` one after the other, optional ones left out or not.

    `argument` makes the expression of one, given its name and schema; `free` is one of any other name.
    """
    named, needed = properties(schema), required(schema)
    if not named:
        if not is_open(schema):
            return '""'
        return f"({free} ({separator} {free})*)?" if separator else f"({free})*"
    if not separator:
        return " ".join(f"({argument(key, part)}){'' if key in needed else '?'}" for key, part in named.items())
    # From the end: what may follow an argument, and what may come where there is none before.
    rest = first = '""'
    for key, part in reversed(named.items()):
        made = f"({argument(key, part)})"
        optional = key not in needed
        first = f"{made} {rest}" + (f" | {first}" if optional else "")
        rest = f"{separator} {made} {rest}"
        rest, first = (f"({rest})?" if optional else f"({rest})"), f"({first})"
    return first


def raw_text(part: Any, tool: Tool, end: str) -> str:
    """Lark expression for a value between tags: a string as it is, anything else as JSON; `end` behind it.

    The pattern and the lengths of a string hold where llguidance can keep them.
    """
    root = schema_of(tool)
    values = enumerated(part, root)
    if values is not None:
        return "(" + " | ".join(literal(v if isinstance(v, str) else compact(v)) for v in values) + f") {literal(end)}"
    allowed = types(part, root)
    if not allowed or "string" not in allowed:
        return f"{json_value(part, tool)} {literal(end)}"
    return free_text(end, part if allowed == {"string"} and isinstance(part, Mapping) else {})


def repeat(limits: Mapping[str, Any]) -> str:
    """The quantifier for the lengths that a string's schema allows."""
    least, most = limits.get("minLength", 0), limits.get("maxLength")
    return "*" if not least and most is None else f"{{{least},{'' if most is None else most}}}"


def free_text(end: str, limits: Mapping[str, Any] | None = None) -> str:
    """Lark expression for text up to `end`, which it includes."""
    limits = limits or {}
    escaped = escape(end)
    expression = f"/(?s:.{repeat(limits)}){escaped}/ & ~/(?s:.*){escaped}(?s:.+)/"
    pattern = limits.get("pattern")
    if isinstance(pattern, str) and not _FOREIGN.search(pattern):
        begin = "" if pattern.startswith("^") else "(?s:.*)"
        finish = "" if pattern.endswith("$") else "(?s:.*)"
        body = pattern.removeprefix("^").removesuffix("$").replace("/", "\\/")
        expression += f" & /{begin}({body}){finish}{escaped}/"
    return expression


def escape(text: str) -> str:
    """The text as a part of a regular expression between slashes."""
    return re.escape(text).replace("/", "\\/").replace("\\\n", "\\n").replace("\n", "\\n")
