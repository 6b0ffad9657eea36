"""Facts of a sentence, as JSON of a given schema."""

import json
from typing import Any

from training.dialogues.dialogue import Check, Dialogue, user
from training.dialogues.side import Side
from training.dialogues.wordings import every
from training.dialogues.words import COLOURS, HOBBIES, JOBS, PETS, article, city, name

AREA = "JSON"

_ASK = every(
    (
        '{do} the fields {fields} {of}: "{text}"', '{do} {fields} {of} as JSON: "{text}"', '{do} JSON with the fields {fields} {of}: "{text}"', '{do} JSON with {fields}: "{text}"',
        'As JSON ({fields}): "{text}"', '"{text}" {do} JSON with {fields}.', '{do} the data {of} "{text}" as JSON with the fields {fields}.',
        'Text: "{text}" Schema: {schema} {do} JSON.', 'Schema: {schema} {do} it {of}: "{text}"', 'JSON schema: {schema} Text: "{text}"',
    ),
    do=("Extract", "Return", "Give me", "Write", "Answer with", "Fill in", "Get"), of=("of this text", "from this text", "from this sentence", "in the text"),
)  # fmt: skip
_SENTENCES = {
    "age": ("is {v} years old", "turned {v} this year", "is aged {v}"),
    "city": ("lives in {v}", "comes from {v}", "moved to {v}"),
    "job": ("works as {v}", "is {v} by trade"),
    "hobby": ("enjoys {v}", "likes {v}", "loves {v}"),
    "colour": ("prefers the colour {v}", "likes the colour {v}"),
    "pet": ("owns {v}", "has {v}"),
    "children": ("has {v} children", "is raising {v} children"),
}


def make(side: Side) -> Dialogue:
    """A sentence or two about a person, and the fields that are wanted."""
    fields = side.sample(list(_SENTENCES), side.random.randint(1, 3))
    data: dict[str, Any] = {"name": name(side)}
    parts = []
    for field in fields:
        data[field], shown = _value(side, field)
        parts.append(side.choice(_SENTENCES[field]).format(v=shown))
    text = f"{data['name']} {parts[0]}" + "".join(f" and {part}" for part in parts[1:]) + "."
    wanted = data
    if len(fields) > 1 and side.chance(side.share(0.25, 0.4)):
        wanted = {key: data[key] for key in ["name", *side.sample(fields, len(fields) - 1)]}
    schema = {
        "type": "object",
        "properties": {
            key: {"type": "integer" if isinstance(value, int) else "string"} for key, value in wanted.items()
        },
    }
    question = side.pick(_ASK).format(fields=", ".join(wanted), text=text, schema=json.dumps(schema))
    return Dialogue(AREA, [user(question)], json.dumps(wanted), same_json(wanted))


def same_json(wanted: Any) -> Check:
    """The answer is JSON of this value."""

    def check(text: str) -> bool:
        try:
            return bool(json.loads(text) == wanted)
        except ValueError:
            return False

    return check


def _value(side: Side, field: str) -> tuple[Any, str]:
    if field in ("age", "children"):
        number = side.random.randint(18, 90) if field == "age" else side.random.randint(2, 6)
        return number, str(number)
    word = {"city": lambda: city(side), "job": lambda: side.choice(JOBS), "hobby": lambda: side.choice(HOBBIES),
            "colour": lambda: side.choice(COLOURS), "pet": lambda: side.choice(PETS)}[field]()  # fmt: skip
    return word, article(word) if field in ("job", "pet") else word
