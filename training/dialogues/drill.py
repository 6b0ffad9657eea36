"""Exercises in copying, for the first minutes of training: what most areas build on, in the densest form."""

from training.dialogues.dialogue import Dialogue, same, user
from training.dialogues.side import Side
from training.dialogues.words import CITIES, NAMES, THINGS, made_up

AREA = "drill"


def make(side: Side) -> Dialogue:
    """Words to repeat, or the word that follows another in them."""
    words = [_word(side) for _ in range(side.random.randint(3, 24))]
    text = " ".join(words)
    if side.chance(0.7) or len(set(words)) < len(words):
        return Dialogue(AREA, [user(f"Repeat: {text}")], text, same(text))
    places = side.sample(range(len(words) - 1), min(8, len(words) - 1))
    asked = ", ".join(words[place] for place in places)
    answer = ", ".join(f"{words[place]} {words[place + 1]}" for place in places)
    return Dialogue(AREA, [user(f"{text}\n\nWhat follows: {asked}")], answer, same(answer))


def _word(side: Side) -> str:
    roll = side.random.random()
    if roll < 0.4:
        return made_up(side)
    if roll < 0.5:
        return made_up(side).capitalize()
    return (
        side.choice(THINGS if roll < 0.7 else NAMES if roll < 0.85 else CITIES)
        if roll < 0.95
        else str(side.random.randint(2, 9999))
    )
