"""The grammar of arguments in the notations of different models."""

import re
from collections.abc import Callable, Mapping, Sequence
from typing import Any, Final

from forefront.chat.grammar.grammar_source import schema_lark
from forefront.chat.grammar.schema.ecma_pattern import RAW_TEXT
from forefront.chat.grammar.schema.schema_intersection import NoValueError
from forefront.chat.grammar.schema.schema_leaves import lengths, string_conditions
from forefront.chat.grammar.schema.schema_report import SchemaReport, UnenforceableError
from forefront.chat.grammar.schema.text_grammar import TextGrammarError, lark_within, regex_within
from forefront.chat.tools.argument_schema import (
    enumerated,
    is_open,
    properties,
    required,
    resolve,
    standalone_schema,
    types,
)
from forefront.chat.tools.tool_format import LarkRules, compact, literal
from forefront.wire.completions.tools import CUSTOM_ARGUMENT, TEXT_GRAMMAR, Tool

_NO_PARAMETERS: Final[dict[str, Any]] = {"type": "object", "properties": {}, "additionalProperties": False}
# The name of an argument that the schema does not name.
FREE_NAME: Final = "/[a-zA-Z_][a-zA-Z0-9_]{0,63}/"


def parameters_schema(tool: Tool) -> dict[str, Any]:
    """The JSON schema of the tool's arguments."""
    return _NO_PARAMETERS if tool.function.parameters is None else tool.function.parameters


def path_of(tool: Tool) -> str:
    """The path of that schema in the request, with the tool's name in place of its index."""
    return f"tools[{tool.function.name}].function.parameters"


def request_path(path: str) -> str:
    """The path in the request of a path within the functions' schemas: a custom tool has its grammar elsewhere."""
    within_function = f".function.parameters.properties.{CUSTOM_ARGUMENT}.{TEXT_GRAMMAR}"
    return path.replace(within_function, ".custom.format.grammar.definition")


def json_arguments(tool: Tool) -> str:
    """Lark expression for the arguments as one JSON object."""
    schema = {"type": "object", **parameters_schema(tool)}
    return schema_lark(schema, path_of(tool), strict=bool(tool.function.strict), fallback={"type": "object"})


def json_value(part: Any, tool: Tool, key: str = "") -> str:
    """Lark expression for JSON of a part of the tool's schema: that of the argument `key`."""
    path = path_of(tool) + (f".properties.{key}" if key else "")
    schema = standalone_schema(part, parameters_schema(tool))
    return schema_lark(schema, path, strict=bool(tool.function.strict), fallback={})


def sequence(
    schema: Mapping[str, Any], argument: Callable[[str, Any], str], free: str, separator: str, rules: LarkRules
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
    # From the last argument to the first: the text that may follow an argument, and that without an argument before.
    rest = first = '""'
    for name, must in reversed(made):
        first = rules.rule(f"{name} {rest}" if must else f"{name} {rest} | {first}")
        rest = rules.rule(f"{separator} {name} {rest}" if must else f"({separator} {name})? {rest}")
    return first


def raw_text(part: Any, tool: Tool, key: str, end: str, rules: LarkRules, marker: str = "", *, ahead: str = "") -> str:
    """Lark expression for the value of the argument `key` between tags: a string as it is, anything else as JSON; `end`
    after it. If there is a control token in `end`, `marker` is the Lark expression from it on, and `ahead` the text
    before."""
    root = parameters_schema(tool)
    after = f"{literal(ahead)} {marker}" if ahead else marker or literal(end)
    values = enumerated(part, root)
    if values is not None:
        return f"({' | '.join(literal(v if isinstance(v, str) else compact(v)) for v in values)}) {after}"
    grammar = resolve(part, root).get(TEXT_GRAMMAR)
    if grammar is not None:
        return f"{custom_text(grammar, tool, key, rules)} {after}"
    allowed = types(part, root)
    if not allowed or "string" not in allowed:
        return f"{json_value(part, tool, key)} {after}"
    conditions = text_conditions(resolve(part, root), tool, key, rules) if allowed == {"string"} else ()
    return free_text(end, rules, conditions, marker, ahead=ahead)


def custom_text(grammar: Any, tool: Tool, key: str, rules: LarkRules) -> str:
    """Lark expression for the text of a custom tool. Raises `UnenforceableError`."""
    try:
        if grammar["syntax"] == "regex":
            return rules.terminal(regex_within(grammar["definition"], RAW_TEXT))
        prefix = rules.rule(literal(tool.function.name)) + "_"
        start, lines = lark_within(grammar["definition"], RAW_TEXT, prefix)
    except (TypeError, KeyError, *TextGrammarError) as error:
        path = f"{path_of(tool)}.properties.{key}.{TEXT_GRAMMAR}"
        raise UnenforceableError(path, "grammar", str(error)) from None
    for line in lines:
        rules.choice(*line.split(": ", 1))
    return start


def text_conditions(schema: Mapping[str, Any], tool: Tool, key: str, rules: LarkRules) -> Sequence[str]:
    """Lark expressions, for use in a terminal, that a string which is not JSON must match.

    Keywords that cannot be enforced are left out. Raises `UnenforceableError` in a function with `strict`.
    """
    report = SchemaReport(strict=bool(tool.function.strict), lenient=True)
    path = f"{path_of(tool)}.properties.{key}"
    try:
        conditions = string_conditions(dict(schema), path, report, RAW_TEXT)
        limits = lengths(dict(schema), path, report)
    except NoValueError:
        report.leave_out(path, "maxLength", "no value satisfies it")
        return ()
    rules.left_out += report.left_out
    return conditions if limits is None else [*conditions, f"/{RAW_TEXT.any_character}{limits}/"]


def free_text(end: str, rules: LarkRules, conditions: Sequence[str] = (), marker: str = "", *, ahead: str = "") -> str:
    """Lark expression for text up to `end`, which it includes; see `raw_text` and `text_conditions`."""
    # One terminal with its end: a lexer would not return the part of the end that the text has consumed.
    own = ahead if marker else end
    last = escape(own)
    expression = f"/(?s:.*){last}/ & ~/(?s:.*){escape(end.lstrip())}(?s:{'.*' if marker else '.+'})/"
    for condition in conditions:
        expression += f" & ({condition} {literal(own)})" if last else f" & {condition}"
    return f"{rules.terminal(expression)} {marker}".rstrip()


def escape(text: str) -> str:
    """The text as a part of a regular expression between slashes."""
    return re.escape(text).replace("/", "\\/").replace("\\\n", "\\n").replace("\n", "\\n")
