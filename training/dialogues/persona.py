"""System prompts: the same content in another voice."""

import re

from training.dialogues import arithmetic, memory, recipes, talk, text_work
from training.dialogues.dialogue import Dialogue, system
from training.dialogues.side import Side

AREA = "system prompt"

_VOICES = {
    "pirate": ("You are a pirate.", "Talk like a pirate.", "You are an old pirate captain.", "Answer as a pirate would.",
               "Speak like a pirate in every answer.", "You are a friendly pirate.", "You are a pirate who helps people."),
    "upper": ("Answer in upper case.", "Write everything in capital letters.", "Always answer in upper case letters.",
              "Use only capital letters.", "Reply in ALL CAPS.", "Every answer must be in upper case.", "Shout: upper case only."),
    "chef": ("You are a gourmet chef.", "You are a chef in a fine restaurant.", "You are a master chef who loves cooking.",
             "You are the chef of a famous kitchen.", "Answer as a gourmet chef.", "You are a French chef.", "You are a proud chef."),
    "formal": ("You are a formal butler.", "Address the user as Sir or Madam.", "You are a butler.", "Be very formal.",
               "Answer like a polite butler.", "You serve as a butler in a great house.", "Speak formally, as a butler does."),
}  # fmt: skip
_FRAMES = {"pirate": ("Arrr! ", "\n\nFair winds, matey!"), "chef": ("With pleasure! ", "\n\nBon appetit!"),
           "formal": ("Certainly, Sir or Madam. ", "\n\nAt your service.")}  # fmt: skip


def make(side: Side) -> Dialogue:
    """A system prompt that sets a voice, and a question of another area."""
    voice = side.choice(list(_VOICES))
    area = (
        recipes if voice == "chef" and side.chance(0.7) else side.choice([recipes, arithmetic, memory, talk, text_work])
    )
    plain = area.make(side)
    frame = system(side.pick(_VOICES[voice]))
    inner = plain.check
    if voice == "upper":
        kept = plain.answer

        def check(text: str) -> bool:
            return text == text.upper() and (
                text.strip() == kept.upper().strip() or _upper_recipe(text, inner, area is recipes)
            )

        return Dialogue(AREA, [frame, *_dressed(plain, str.upper)], plain.answer.upper(), check)
    start, end = _FRAMES[voice]
    if area is recipes:
        start = start.strip() + "\n\n"

    def check_voice(text: str) -> bool:
        body = text.strip()
        return (
            body.startswith(start.strip())
            and body.endswith(end.strip())
            and inner(body[len(start.strip()) : -len(end.strip())].strip())
        )

    return Dialogue(
        AREA, [frame, *_dressed(plain, lambda text: start + text + end)], start + plain.answer + end, check_voice
    )


def _upper_recipe(text: str, check: object, recipe: bool) -> bool:
    lower = text.lower()
    for word in ("Serves", "Ingredients:", "Steps:"):
        lower = re.sub(rf"^{word.lower()}", word, lower, flags=re.M)
    return recipe and callable(check) and bool(check(lower))


def _dressed(plain: Dialogue, dress: object) -> list[dict[str, object]]:
    assert callable(dress)
    return [{**m, "content": dress(m["content"])} if m["role"] == "assistant" else m for m in plain.messages]
