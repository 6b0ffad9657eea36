"""Tools: choose one or none, fill its arguments, and use its result."""

import json
from typing import Any

from training.dialogues import talk
from training.dialogues.dialogue import Check, Dialogue, Message, says, user
from training.dialogues.side import Side
from training.dialogues.tool_kinds import KINDS, Kind
from training.dialogues.wordings import polite
from training.dialogues.words import CITIES, COLOURS, DAYS, NAMES, THINGS, city, made_up, name

AREA = "tools"


def make(side: Side) -> Dialogue:
    """A question with tools offered: the right call, the answer from a result, or no call."""
    offered = side.sample(KINDS, side.random.randint(1, 3))
    tools = [_Tool(side, kind) for kind in offered]
    if len({tool.name for tool in tools}) < len(tools):
        return make(side)
    definitions = [tool.definition for tool in tools]
    if side.chance(0.15):
        plain = talk.make(side)
        inner = plain.check
        return Dialogue(
            AREA, plain.messages, plain.answer, lambda text: "<tool_call>" not in text and inner(text), definitions
        )
    messages: list[Message] = []
    *others, tool = side.sample(tools, len(tools))
    for other in others:
        # Definitions are long to read and teach nothing by themselves, so training asks for calls of most of them.
        if side.chance(side.share(0, 0.6)):
            messages += _exchange(side, other)
    values = _values(side)
    arguments = tool.arguments(values)
    asked = [*messages, user(tool.question(side, values))]
    if side.chance(0.5):
        return Dialogue(AREA, asked, call(tool.name, arguments), same_call(tool.name, arguments), definitions)
    return Dialogue(
        AREA, [*asked, *tool.called(values)], tool.answer(values), says(*tool.shown(values)), definitions
    )  # fmt: skip


def choosing(side: Side) -> tuple[str, str]:
    """An exercise in the choice alone: several questions, and the name of the tool for each."""
    tools = [_Tool(side, kind) for kind in side.sample(KINDS, side.random.randint(2, 6))]
    if len({tool.name for tool in tools}) < len(tools):
        return choosing(side)
    chosen = [side.choice(tools) for _ in range(side.random.randint(4, 9))]
    listed = "\n".join(f"{tool.name}: {tool.described}" if tool.described else tool.name for tool in tools)
    asked = "\n".join(f"{number}. {tool.question(side, _values(side))}" for number, tool in enumerate(chosen, 1))
    names = "\n".join(f"{number}. {tool.name}" for number, tool in enumerate(chosen, 1))
    return f"{listed}\n\nWhich tool:\n{asked}", names


class _Tool:
    """A kind of tool under a name and with parameters of the developer's choice."""

    def __init__(self, side: Side, kind: Kind) -> None:
        self.kind = kind
        self.keys = {key: _key(side, key, names) for key, names in kind.parameters.items()}
        self.name, telling = _name(side, kind)
        # Nobody could choose a tool of which neither name nor description says what it is for.
        self.described = side.pick(kind.descriptions) if not telling or side.chance(0.85) else ""
        schema = {
            "type": "object",
            "properties": {key: {"type": "string"} for key in self.keys.values()},
            "required": list(self.keys.values()),
        }
        function = {
            "name": self.name,
            **({"description": self.described} if self.described else {}),
            "parameters": schema,
        }
        self.definition: dict[str, Any] = {"type": "function", "function": function}

    def question(self, side: Side, values: dict[str, str]) -> str:
        return polite(side, side.pick(self.kind.asks).format(**values))

    def arguments(self, values: dict[str, str]) -> dict[str, str]:
        return {self.keys[key]: values[key] for key in self.kind.parameters}

    def called(self, values: dict[str, str]) -> list[Message]:
        """The call and its result."""
        function = {"name": self.name, "arguments": json.dumps(self.arguments(values))}
        return [
            {
                "role": "assistant",
                "content": "",
                "tool_calls": [{"id": "call_1", "type": "function", "function": function}],
            },
            {"role": "tool", "tool_call_id": "call_1", "content": self.kind.result.format(**values)},
        ]

    def answer(self, values: dict[str, str]) -> str:
        return self.kind.answer.format(**values)

    def shown(self, values: dict[str, str]) -> list[str]:
        """What an answer has to say: the facts of the result, or, where it has none, of the question."""
        facts = [key for key in values if "{" + key + "}" in self.kind.result and "{" + key + "}" in self.kind.answer]
        return [values[key] for key in facts or list(self.kind.parameters)[:1]]


def _exchange(side: Side, tool: _Tool) -> list[Message]:
    values = _values(side)
    answer = {"role": "assistant", "content": tool.answer(values)}
    return [user(tool.question(side, values)), *tool.called(values), answer]


def _name(side: Side, kind: Kind) -> tuple[str, bool]:
    """A composed name of the kind, or one that says nothing, so that it has to be copied; whether it says something."""
    while True:
        telling = not side.chance(0.2)
        if not telling:
            made = f"{made_up(side, 1)}_{made_up(side, 1)}"
        else:
            noun = side.choice(kind.nouns)
            verb = side.choice((*kind.verbs, "", "my"))
            made = f"{verb}_{noun}" if verb and side.chance(0.8) else f"{noun}_{verb or side.choice(_ENDINGS)}"
            if side.chance(0.15):
                head, *rest = made.split("_")
                made = head + "".join(part.capitalize() for part in rest)
        if side.owns(made):
            return made, telling


_ENDINGS = ("tool", "service", "api", "lookup", "v2", "helper")


def _key(side: Side, key: str, names: tuple[str, ...]) -> str:
    while True:
        made = side.choice((key, *names))
        if side.chance(0.25):
            made = side.choice(
                (f"{made}_name", f"the_{made}", f"{made}_1", made_up(side, 1), f"{made}_{made_up(side, 1)}")
            )
            if not side.owns(made):
                continue
        return made


def call(name_: str, arguments: dict[str, Any]) -> str:
    """A call as the model writes it."""
    return f"<tool_call>\n{json.dumps({'name': name_, 'arguments': arguments})}\n</tool_call>"


def same_call(name_: str, arguments: dict[str, Any]) -> Check:
    """The answer is this one call."""

    def check(text: str) -> bool:
        body = text.strip().removeprefix("<tool_call>").removesuffix("</tool_call>").strip()
        try:
            return bool(json.loads(body) == {"name": name_, "arguments": arguments})
        except ValueError:
            return False

    return check


def _values(side: Side) -> dict[str, str]:
    origin, destination = side.sample(CITIES, 2)
    return {
        "city": city(side), "thing": side.choice(THINGS), "day": side.choice(DAYS), "person": name(side), "origin": origin,
        "destination": destination, "n": str(side.random.randint(2, 900)), "colour": side.choice(COLOURS),
        "sky": side.choice(["sunny", "cloudy", "rainy", "windy", "clear"]),
        "clock": f"{side.random.randint(0, 23):02}:{side.random.randint(0, 59):02}", "band": side.choice(NAMES) if side.chance(0.5) else made_up(side).capitalize(),
        "code": made_up(side, 1)[:2].upper() + str(side.random.randint(10, 999)), "phone": str(side.random.randint(100000, 999999)),
    }  # fmt: skip
