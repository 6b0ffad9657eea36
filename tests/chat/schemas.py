"""Random JSON schemas, common and awkward ones."""

import random
from typing import Any

WORDS = ("name", "age", "city", "größe", "a b", 'quo"te', "x", "items", "unit", "日本", "back\\slash", "id", "")
FORMATS = ("date", "time", "date-time", "email", "uuid", "ipv4", "hostname")
PATTERNS = ("^[a-z]{2,5}$", "^(ab|cd)+$", "^[A-Z]{3}-[0-9]{4}$", "^\\\\S+@x\\\\.org$", "^.{0,7}$")


def random_schema(chance: random.Random, depth: int = 3) -> dict[str, Any]:
    """A schema that has at least one value."""
    kinds = [_string, _integer, _number, _enum, _const, _plain]
    if depth:
        kinds += [_object, _object, _object, _array, _array, _any_of, _nullable, _tree]
    return chance.choice(kinds)(chance, depth - 1)


def _string(chance: random.Random, depth: int) -> dict[str, Any]:
    minimum = chance.choice([0, 0, 1, 9])
    return chance.choice(
        [
            {"type": "string"},
            {"type": "string", "minLength": minimum, "maxLength": minimum + chance.randint(0, 20)},
            {"type": "string", "pattern": chance.choice(PATTERNS)},
            {"type": "string", "format": chance.choice(FORMATS)},
        ]
    )


def _integer(chance: random.Random, depth: int) -> dict[str, Any]:
    low = chance.randint(-1000, 1000)
    return chance.choice(
        [
            {"type": "integer"},
            {"type": "integer", "minimum": low, "maximum": low + chance.randint(0, 3000)},
            {"type": "integer", "multipleOf": chance.randint(1, 30)},
            {"type": "integer", "exclusiveMinimum": low},
        ]
    )


def _number(chance: random.Random, depth: int) -> dict[str, Any]:
    low = chance.randint(-50, 50) / 4
    return chance.choice([{"type": "number"}, {"type": "number", "minimum": low, "maximum": low + 2.5}])


def _enum(chance: random.Random, depth: int) -> dict[str, Any]:
    return {"enum": chance.sample([*WORDS, 1, 2.5, None, True, [1, "a"], {"k": 0}], chance.randint(1, 5))}


def _const(chance: random.Random, depth: int) -> dict[str, Any]:
    return {"const": chance.choice([*WORDS, 7, None, False, ["x"]])}


def _plain(chance: random.Random, depth: int) -> dict[str, Any]:
    return {"type": chance.choice(["boolean", "null", ["string", "null"], ["integer", "boolean"]])}


def _object(chance: random.Random, depth: int) -> dict[str, Any]:
    names = chance.sample(WORDS, chance.randint(0, 5))
    made: dict[str, Any] = {
        "type": "object",
        "properties": {name: random_schema(chance, depth) for name in names},
        "required": chance.sample(names, chance.randint(0, len(names))),
    }
    more = chance.choice([None, False, True, {"type": "integer"}])
    return made if more is None else made | {"additionalProperties": more}


def _array(chance: random.Random, depth: int) -> dict[str, Any]:
    minimum = chance.randint(0, 3)
    made = {"type": "array", "items": random_schema(chance, depth), "minItems": minimum}
    return made | ({"maxItems": minimum + chance.randint(0, 4)} if chance.random() < 0.5 else {})


def _any_of(chance: random.Random, depth: int) -> dict[str, Any]:
    return {"anyOf": [random_schema(chance, depth) for _ in range(chance.randint(1, 3))]}


def _nullable(chance: random.Random, depth: int) -> dict[str, Any]:
    return {"anyOf": [random_schema(chance, depth), {"type": "null"}]}


def _tree(chance: random.Random, depth: int) -> dict[str, Any]:
    """A tree of any depth; the reference is to the schema's own root, so it is used at the root alone."""
    if depth < 2:
        return _array(chance, depth)
    return {
        "$defs": {
            "node": {
                "type": "object",
                "properties": {
                    "value": _string(chance, depth),
                    "children": {"type": "array", "items": {"$ref": "#/$defs/node"}},
                },
                "required": ["value"],
                "additionalProperties": False,
            }
        },
        "$ref": "#/$defs/node",
    }
