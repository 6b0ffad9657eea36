"""Dialogues to learn from and to be judged by, area by area."""

from training.dialogues import (
    about,
    arithmetic,
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
    recipes: 16, persona: 12, memory: 12, arithmetic: 16, text_work: 16, json_tasks: 10, tools: 10, about: 5, talk: 5, elsewhere: 8,
}  # fmt: skip
AREAS = {area.AREA: area for area in _WEIGHTS}


__all__ = ["AREAS", "Dialogue", "Side", "make"]


def make(side: Side) -> Dialogue:
    """A dialogue of any area; one in five continues an earlier one about something else."""
    area = side.random.choices(list(_WEIGHTS), list(_WEIGHTS.values()))[0]
    dialogue: Dialogue = area.make(side)
    if side.chance(0.2) and not dialogue.tools and dialogue.messages[0]["role"] != "system":
        earlier = side.choice([area for area in _WEIGHTS if area not in (persona, tools, memory)]).make(side)
        dialogue.messages = [*earlier.whole, *dialogue.messages]
    return dialogue
