"""Exercises in what most areas build on, in the densest form: copying, letters, the alphabet, sums."""

from training.dialogues import arithmetic
from training.dialogues.dialogue import Dialogue, same, user
from training.dialogues.side import Side
from training.dialogues.words import CITIES, NAMES, THINGS, made_up

AREA = "drill"


def make(side: Side) -> Dialogue:
    """Many small tasks of one kind."""
    kinds = [_copy, _follow, _upper, _lower, _sort, _sums]
    question, answer = side.random.choices(kinds, [2, 1, 4, 4, 6, 6])[0](side)
    return Dialogue(AREA, [user(question)], answer, same(answer))


def _copy(side: Side) -> tuple[str, str]:
    text = " ".join(_word(side) for _ in range(side.random.randint(3, 24)))
    return f"Repeat: {text}", text


def _follow(side: Side) -> tuple[str, str]:
    """The word that follows another in a text."""
    words = list(dict.fromkeys(_word(side) for _ in range(side.random.randint(4, 24))))
    places = side.sample(range(len(words) - 1), min(8, len(words) - 1))
    asked = ", ".join(words[place] for place in places)
    answer = ", ".join(f"{words[place]} {words[place + 1]}" for place in places)
    return f"{' '.join(words)}\n\nWhat follows: {asked}", answer


def _upper(side: Side) -> tuple[str, str]:
    text = " ".join(_thing(side) for _ in range(side.random.randint(4, 12)))
    return f"Upper case: {text}", text.upper()


def _lower(side: Side) -> tuple[str, str]:
    text = " ".join(_thing(side) for _ in range(side.random.randint(4, 12)))
    return f"Lower case: {text.upper()}", text


def _sort(side: Side) -> tuple[str, str]:
    words = side.sample(THINGS, side.random.randint(4, 12))
    return f"Sort: {', '.join(words)}", ", ".join(sorted(words))


def _sums(side: Side) -> tuple[str, str]:
    signs = [side.choice("++---*") for _ in range(side.random.randint(4, 12))]
    sums = [(sign, *arithmetic.numbers(side, sign)) for sign in signs]
    made = [(f"{a} {sign} {b}", {"+": a + b, "-": a - b, "*": a * b}[sign]) for sign, a, b in sums]
    return f"Calculate: {', '.join(task for task, _ in made)}", ", ".join(f"{task} = {result}" for task, result in made)


def _thing(side: Side) -> str:
    return made_up(side) if side.chance(0.3) else side.choice(THINGS)


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
