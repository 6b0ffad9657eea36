"""Dialogues to learn from and to be judged by, area by area."""

from training.dialogues import (
    about,
    arithmetic,
    drill,
    elsewhere,
    json_tasks,
    memory,
    persona,
    recipes,
    talk,
    text_work,
    tools,
)
from training.dialogues.dialogue import Dialogue, system
from training.dialogues.side import Side

# How often each area comes up in training: by how much it takes to learn it, and by how short its answers are.
_WEIGHTS = {
    recipes: 16, persona: 26, memory: 6, arithmetic: 18, text_work: 36, json_tasks: 7, tools: 13, about: 2, talk: 4, elsewhere: 6,
}  # fmt: skip
AREAS = {area.AREA: area for area in _WEIGHTS}


__all__ = ["AREAS", "Dialogue", "Side", "make"]


_NEUTRAL = (
    "You are a helpful assistant.", "You are helpful.", "Answer the user.", "You are an assistant.", "Be helpful.", "You are a friendly assistant.",
    "You are a helpful, honest assistant.", "Help the user.", "Be kind and helpful.", "You are forefront-mini.",
)  # fmt: skip


def make(side: Side, drills: float = 0.0) -> Dialogue:
    """A dialogue of any area; some continue an earlier one about something else, some have a system prompt that changes nothing.

    `drills` is the share of exercises in copying, which belong to no area.
    """
    if drills and side.chance(drills):
        return drill.make(side)
    area = side.random.choices(list(_WEIGHTS), list(_WEIGHTS.values()))[0]
    dialogue: Dialogue = area.make(side)
    if dialogue.messages[0]["role"] == "system":
        return dialogue
    if side.chance(0.2) and not dialogue.tools:
        earlier = side.choice([area for area in _WEIGHTS if area not in (persona, tools, memory)]).make(side)
        dialogue.messages = [*earlier.whole, *dialogue.messages]
    if side.chance(0.12):
        dialogue.messages = [system(side.pick(_NEUTRAL)), *dialogue.messages]
    return dialogue
