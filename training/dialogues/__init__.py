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
from training.dialogues.dialogue import Dialogue
from training.dialogues.side import Side

# How often each area comes up in training: by how much it takes to learn it.
_WEIGHTS = {
    recipes: 14, persona: 13, memory: 12, arithmetic: 18, text_work: 22, json_tasks: 10, tools: 11, about: 6, talk: 5, elsewhere: 7,
}  # fmt: skip
AREAS = {area.AREA: area for area in _WEIGHTS}


__all__ = ["AREAS", "Dialogue", "Side", "make"]


def make(side: Side, drills: float = 0.0) -> Dialogue:
    """A dialogue of any area; one in five continues an earlier one about something else.

    `drills` is the share of exercises in copying, which belong to no area.
    """
    if drills and side.chance(drills):
        return drill.make(side)
    area = side.random.choices(list(_WEIGHTS), list(_WEIGHTS.values()))[0]
    dialogue: Dialogue = area.make(side)
    if side.chance(0.2) and not dialogue.tools and dialogue.messages[0]["role"] != "system":
        earlier = side.choice([area for area in _WEIGHTS if area not in (persona, tools, memory)]).make(side)
        dialogue.messages = [*earlier.whole, *dialogue.messages]
    return dialogue
