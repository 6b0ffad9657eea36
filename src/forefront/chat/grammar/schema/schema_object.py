"""Lark expressions for JSON objects of a schema."""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

from forefront.chat.grammar.automaton.regex_syntax import RegexSyntaxError
from forefront.chat.grammar.schema.ecma_pattern import JSON_TEXT, pattern_terminal
from forefront.chat.grammar.schema.schema_intersection import Flat, NoValueError, matches
from forefront.chat.grammar.schema.schema_leaves import STRING, string

if TYPE_CHECKING:
    from forefront.chat.grammar.schema.schema_compiler import SchemaCompiler

_MAX_COUNTED: Final = 2_000
# The maximum number of rules for counting the properties of one object.
_MAX_COUNTING_RULES: Final = 5_000
# The text before the first property, and before the others.
_SEPARATORS: Final = ('"{"', '", "')


@dataclass(frozen=True, slots=True)
class _Member:
    """A named property: the expressions of its key, colon included, and of its value."""

    key: str
    value: str
    required: bool


def object_of(schema: Flat, path: str, compiler: "SchemaCompiler") -> str:
    """An expression for an object."""
    rules, report = compiler.rules, compiler.report
    members = _members(schema, path, compiler)
    free = _free_members(schema, path, compiler)
    minimum = report.count(schema, path, "minProperties") or 0
    maximum = report.count(schema, path, "maxProperties")
    needed = sum(member.required for member in members)
    if (maximum is not None and needed > maximum) or (not free and minimum > len(members)):
        raise NoValueError
    if minimum > _MAX_COUNTED or (minimum > 1 and free and not members):
        # A key may be repeated, and a parser keeps one value.
        report.leave_out(path, "minProperties", "a key may be repeated")
        minimum = min(minimum, 1)
    if minimum <= needed:
        minimum = 0
    if not free and maximum is not None and maximum >= len(members):
        maximum = None
    if maximum is not None:
        maximum = min(maximum, _MAX_COUNTED)
    if not members:
        if not free or maximum == 0:
            return '"{" "}"'
        return _map(rules.either(free), minimum, maximum)
    if minimum or maximum is not None:
        if (len(members) + 1) * (max(minimum, maximum or 0) + 1) > _MAX_COUNTING_RULES:
            for keyword in ("minProperties", "maxProperties"):
                if keyword in schema:
                    report.leave_out(path, keyword, "too many properties to be counted")
        else:
            return _counted(members, free, minimum, maximum, compiler)
    return _ordered(members, free, compiler)


def _ordered(members: list[_Member], free: list[str], compiler: "SchemaCompiler") -> str:
    """The members in order, with or without optional ones, then free ones."""
    rules = compiler.rules
    if free:
        member = rules.rule(" | ".join(free))
        rest = rules.rule(f'(", " {member})* "}}"')
        first = rules.rule(f'"{{" ({member} (", " {member})*)? "}}"')
    else:
        rest, first = rules.rule('"}"'), rules.rule('"{" "}"')
    for member_ in reversed(members):
        begin = f'"{{" {member_.key} {member_.value} {rest}'
        go_on = f'", " {member_.key} {member_.value} {rest}'
        first = rules.rule(begin if member_.required else f"{begin} | {first}")
        rest = rules.rule(go_on if member_.required else f"{go_on} | {rest}")
    return first


def _counted(
    members: list[_Member], free: list[str], minimum: int, maximum: int | None, compiler: "SchemaCompiler"
) -> str:
    """The same with at least `minimum` and at most `maximum` properties. Free ones do not count towards the minimum, as
    their keys may be repeated."""
    rules = compiler.rules
    ceiling = maximum if maximum is not None else minimum
    member = rules.rule(" | ".join(free)) if free else ""
    known: dict[tuple[int, int], str | None] = {}

    def rest(place: int, count: int) -> str | None:
        """The continuations after `count` of the members before `place`."""
        if (place, count) in known:
            return known[place, count]
        options: list[str] = []
        if place == len(members):
            if count >= minimum:
                options = [_end(member, count, maximum)]
        else:
            part = members[place]
            full = maximum is not None and count >= maximum
            after = None if full else rest(place + 1, min(count + 1, ceiling))
            if after is not None:
                options.append(f"{_SEPARATORS[count > 0]} {part.key} {part.value} {after}")
            skipped = None if part.required else rest(place + 1, count)
            if skipped is not None:
                options.append(skipped)
        known[place, count] = rules.rule(" | ".join(options)) if options else None
        return known[place, count]

    found = rest(0, 0)
    if found is None:
        raise NoValueError
    return found


def _end(member: str, count: int, maximum: int | None) -> str:
    if not member or (maximum is not None and count >= maximum):
        return '"}"' if count else '"{" "}"'
    room = "" if maximum is None else maximum - count
    if count:
        return f'(", " {member}){{0,{room}}} "}}"'
    return f'"{{" ({member} (", " {member}){{0,{"" if maximum is None else maximum - 1}}})? "}}"'


def _map(member: str, minimum: int, maximum: int | None) -> str:
    """Any number of free members."""
    quantifier = "*" if maximum is None else f"{{0,{maximum - 1}}}"
    listed = member if maximum == 1 else f'{member} (", " {member}){quantifier}'
    return f'"{{" {listed} "}}"' if minimum else f'"{{" ({listed})? "}}"'


def _members(schema: Flat, path: str, compiler: "SchemaCompiler") -> list[_Member]:
    """The named properties that may be there."""
    properties = schema.get("properties", {})
    if not isinstance(properties, Mapping):
        compiler.report.malformed(path, "properties", "it is not an object")
        properties = {}
    required = schema.get("required", [])
    if not isinstance(required, list):  # drafts before 4 have it as a boolean at the property itself
        wrong = compiler.report.leave_out if isinstance(required, bool) else compiler.report.malformed
        wrong(path, "required", "it is not a list")
        required = []
    names = [name for name in required if isinstance(name, str)]
    members = []
    for name in dict.fromkeys([*properties, *names]):
        try:
            part = _property(name, properties, schema, path, compiler)
            value = compiler.value(part, f"{path}.properties.{name}")
        except NoValueError:
            if name in names:
                raise
            continue
        # The key and its colon are apart, as they are with free keys: the lexer takes the longest literal.
        key = json.dumps(json.dumps(name, ensure_ascii=False)) + ' ": "'
        members.append(_Member(key, compiler.rules.rule(value), name in names))
    return members


def _property(name: str, properties: Mapping[str, Any], schema: Flat, path: str, compiler: "SchemaCompiler") -> Any:
    """The schema of the property `name`: its own, and those of all patterns that match it."""
    parts = [properties[name]] if name in properties else []
    patterns = schema.get("patternProperties")
    for pattern, part in patterns.items() if isinstance(patterns, Mapping) else ():
        found = matches(pattern, name)
        if found is None:
            compiler.report.leave_out(f"{path}.patternProperties", pattern, "it cannot be compared with names")
        elif found:
            parts.append(part)
    if not parts:  # it is required: open objects give it a value of any kind, closed ones cannot have it
        return schema.get("additionalProperties", schema.get("unevaluatedProperties", True))
    return parts[0] if len(parts) == 1 else {"allOf": parts}


def _free_members(schema: Flat, path: str, compiler: "SchemaCompiler") -> list[str]:
    """Expressions of members that the schema does not name: by pattern, and all others."""
    patterns = schema.get("patternProperties")
    patterns = patterns if isinstance(patterns, Mapping) else {}
    named = list(schema["properties"]) if isinstance(schema.get("properties"), Mapping) else []
    default = not named and "properties" not in schema and not patterns
    more = schema.get("additionalProperties", schema.get("unevaluatedProperties", default))
    found, expressions = [], {}
    for pattern in patterns:
        try:
            expressions[pattern] = pattern_terminal(pattern, JSON_TEXT)
        except RegexSyntaxError as error:
            compiler.report.leave_out(f"{path}.patternProperties", pattern, str(error))
    for pattern, expression in expressions.items():
        others = [other for key, other in expressions.items() if key != pattern]
        found += _free(schema, path, compiler, [expression], others, patterns[pattern], f"patternProperties.{pattern}")
    if more is not False:
        found += _free(schema, path, compiler, [], list(expressions.values()), more, "additionalProperties")
    return found


def _free(
    schema: Flat, path: str, compiler: "SchemaCompiler", matches: list[str], others: list[str], part: Any, where: str
) -> list[str]:
    """Members whose key matches all of `matches`, none of `others` and no name; none if no value is possible."""
    try:
        value = compiler.any_value() if part is True else compiler.value(part, f"{path}.{where}")
        key = _key(schema, path, compiler, matches, others)
    except NoValueError:
        return []
    return [f'{key} ": " {compiler.rules.rule(value)}']


def _key(schema: Flat, path: str, compiler: "SchemaCompiler", matches: list[str], others: list[str]) -> str:
    """The terminal of a key."""
    named = list(schema["properties"]) if isinstance(schema.get("properties"), Mapping) else []
    names = schema.get("propertyNames", True)
    if not matches and not others and not named and names is True:
        return compiler.rules.terminal(STRING)
    flat: Flat = {} if names is True else compiler.flat(names, f"{path}.propertyNames")
    listed = flat.get("enum", [flat["const"]] if "const" in flat else None)
    if isinstance(listed, list):
        keys = [name for name in listed if isinstance(name, str) and name not in named]
        options = " | ".join(json.dumps(json.dumps(name, ensure_ascii=False)) for name in keys)
        if not keys:
            raise NoValueError
        return compiler.rules.terminal(options)
    base = string(flat, f"{path}.propertyNames", compiler.report, named)
    if not matches and not others:
        return compiler.rules.terminal(base)
    quoted = [f"/\\x22/ ({expression}) /\\x22/" for expression in matches]
    quoted += [f"/\\x22/ ({JSON_TEXT.anything} & ~{expression}) /\\x22/" for expression in others]
    conditions = " & ".join(f"({text})" for text in ([base] if base != STRING or not quoted else []) + quoted)
    return compiler.rules.terminal(conditions)
