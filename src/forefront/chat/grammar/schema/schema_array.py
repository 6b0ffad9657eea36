"""Lark expressions for JSON arrays of a schema."""

from itertools import permutations
from typing import TYPE_CHECKING, Final

from forefront.chat.grammar.schema.schema_intersection import Flat, NoValueError, item_schemas

if TYPE_CHECKING:
    from forefront.chat.grammar.schema.schema_compiler import SchemaCompiler

# Maximum array length; a greater minimum is not enforced.
_MAX_ITEMS: Final = 2_000
# Up to this number, distinct items of a finite set may come in any order; more items keep the schema's order.
_ANY_ORDER: Final = 3
_MAX_DISTINCT: Final = 64


def array(schema: Flat, path: str, compiler: "SchemaCompiler") -> str:
    """An expression for an array."""
    report, rules = compiler.report, compiler.rules
    minimum, maximum = report.count(schema, path, "minItems") or 0, report.count(schema, path, "maxItems")
    if minimum > _MAX_ITEMS:
        report.leave_out(path, "minItems", f"more than {_MAX_ITEMS} items")
        minimum = 0
    if schema.get("uniqueItems") is True:
        distinct = _distinct(schema, path, compiler, minimum, maximum)
        if distinct is not None:
            return distinct
    first, more = item_schemas(schema)
    places = [part for part in first if maximum is None or len(first) <= maximum or first.index(part) < maximum]
    items = []
    for place, part in enumerate(places):
        try:
            items.append(rules.rule(compiler.value(part, f"{path}.prefixItems[{place}]")))
        except NoValueError:
            if place < minimum:
                raise
            more = False
            break
    item = None
    if more is not False and (maximum is None or maximum > len(items)):
        try:
            item = compiler.any_value() if more is True else rules.rule(compiler.value(more, f"{path}.items"))
        except NoValueError:
            if minimum > len(items):
                raise
    elif minimum > len(items):
        raise NoValueError
    return _sequence(items, item, minimum, maximum, compiler)


def _sequence(items: list[str], item: str | None, minimum: int, maximum: int | None, compiler: "SchemaCompiler") -> str:
    """Items, each with its own rule, then any number of `item`."""
    rules = compiler.rules
    if item is None:
        rest = '"]"'
    else:
        count = max(0, minimum - len(items))
        top = None if maximum is None else min(maximum, _MAX_ITEMS) - len(items)
        if not items:
            return _uniform(item, count, top)
        quantifier = "*" if top is None and not count else f"{{{count},{'' if top is None else top}}}"
        rest = f'(", " {item}){quantifier} "]"'
    rest = rules.rule(rest)
    for place in range(len(items) - 1, 0, -1):
        following = f'", " {items[place]} {rest}'
        rest = rules.rule(following if place < minimum else f'{following} | "]"')
    if not items:
        return '"[" "]"'
    whole = f'"[" {items[0]} {rest}'
    return whole if minimum else rules.rule(f'{whole} | "[" "]"')


def _uniform(item: str, minimum: int, maximum: int | None) -> str:
    if maximum == 0:
        return '"[" "]"'
    quantifier = f"{{{max(0, minimum - 1)},{'' if maximum is None else maximum - 1}}}"
    if minimum <= 1 and maximum is None:
        quantifier = "*"
    listed = item if maximum == 1 else f'{item} (", " {item}){quantifier}'
    return f'"[" {listed} "]"' if minimum else f'"[" ({listed})? "]"'


def _distinct(schema: Flat, path: str, compiler: "SchemaCompiler", minimum: int, maximum: int | None) -> str | None:
    """Distinct items out of a finite set; None, and a report, where the set is not finite."""
    values = _finite_items(schema, path, compiler)
    if values is None or len(values) > _MAX_DISTINCT:
        if maximum is None or maximum > 1:
            compiler.report.leave_out(path, "uniqueItems", "the items are not of a small set")
        return None
    if minimum > len(values):
        raise NoValueError
    maximum = len(values) if maximum is None else min(maximum, len(values))
    rules = compiler.rules
    if len(values) <= _ANY_ORDER:
        texts = [", ".join(order) for size in range(minimum, maximum + 1) for order in permutations(values, size)]
        return rules.either([f'"[" {f"{text} " if text else ""}"]"' for text in map(_as_rule, texts)])
    if minimum > 1 or maximum < len(values):
        return _counted(values, minimum, maximum, compiler)
    rest = rules.rule('"]"')
    for value in reversed(values[1:]):
        rest = rules.rule(f'", " {value} {rest} | {rest}')
    whole = rules.rule(f'"[" {values[0]} {rest}')
    for place in range(1, len(values)):
        whole = rules.rule(f'{whole} | "[" {values[place]} {_tail(values[place + 1 :], compiler)}')
    return whole if minimum else rules.rule(f'{whole} | "[" "]"')


def _as_rule(text: str) -> str:
    return text.replace(", ", ' ", " ')


def _tail(values: list[str], compiler: "SchemaCompiler") -> str:
    rest = compiler.rules.rule('"]"')
    for value in reversed(values):
        rest = compiler.rules.rule(f'", " {value} {rest} | {rest}')
    return rest


def _counted(values: list[str], minimum: int, maximum: int, compiler: "SchemaCompiler") -> str:
    """Between `minimum` and `maximum` of the values, in their order."""
    rules = compiler.rules
    known: dict[tuple[int, int], str | None] = {}

    def rest(place: int, count: int) -> str | None:
        """The continuations after `count` of the values before `place`."""
        if (place, count) not in known:
            options = ['"]"'] if count >= minimum else []
            if count < maximum:
                for following in range(place, len(values)):
                    after = rest(following + 1, count + 1)
                    if after is not None:
                        options.append(f"{_separated(values[following], count)} {after}")
            known[place, count] = rules.rule(" | ".join(options)) if options else None
        return known[place, count]

    found = rest(0, 0)
    if found is None:
        raise NoValueError
    return f'"[" {found}'


def _separated(value: str, count: int) -> str:
    return f'", " {value}' if count else value


def _finite_items(schema: Flat, path: str, compiler: "SchemaCompiler") -> list[str] | None:
    """Expressions of all items that there may be, None if they are not of a small set."""
    first, more = item_schemas(schema)
    if first or more in (True, False):
        return None
    return compiler.finite_values(more, f"{path}.items")
