"""Exercises in what most areas build on, in the densest form: copying, letters, the alphabet, sums, what is in food, what a tool is for."""

from training.dialogues import arithmetic, recipes, tools
from training.dialogues.dialogue import Dialogue, same, user
from training.dialogues.side import Side
from training.dialogues.words import CITIES, NAMES, THINGS, made_up

AREA = "drill"


def make(side: Side) -> Dialogue:
    """Many small tasks of one kind."""
    kinds = [
        _copy,
        _follow,
        _upper,
        _lower,
        _upper_recipe,
        _sort,
        _sums,
        _results,
        _quantities,
        _left_out,
        tools.choosing,
    ]
    question, answer = side.random.choices(kinds, [2, 1, 4, 4, 1, 7, 6, 4, 2, 4, 3])[0](side)
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


def _upper_recipe(side: Side) -> tuple[str, str]:
    text = recipes.make(side).answer
    return f"Upper case: {text}", text.upper()


def _lower(side: Side) -> tuple[str, str]:
    text = " ".join(_thing(side) for _ in range(side.random.randint(4, 12)))
    return f"Lower case: {text.upper()}", text


def _sort(side: Side) -> tuple[str, str]:
    words = side.sample(THINGS, side.random.randint(4, 12))
    return f"Sort: {', '.join(words)}", ", ".join(sorted(words))


def _sums(side: Side) -> tuple[str, str]:
    sums, asked = _calculations(side, "+++---*", 12)
    return f"Calculate: {asked}", ", ".join(arithmetic.worked(*each) for each in sums)


def _results(side: Side) -> tuple[str, str]:
    """Sums and differences without steps, as a terse answer has none."""
    sums, asked = _calculations(side, "+-", 16)
    return f"Results: {asked}", ", ".join(str(arithmetic.outcome(*each)) for each in sums)


def _calculations(side: Side, signs: str, maximum: int) -> tuple[list[tuple[str, int, int]], str]:
    chosen = [side.choice(signs) for _ in range(side.random.randint(4, maximum))]
    sums = [(sign, *arithmetic.numbers(side, sign)) for sign in chosen]
    return sums, ", ".join(f"{a} {sign} {b}" for sign, a, b in sums)


def _quantities(side: Side) -> tuple[str, str]:
    """How much of each ingredient so many people need."""
    people = side.choice([1, 2, 3, 4, 5, 6, 8, 10])
    items = side.sample(list(recipes.INGREDIENTS), side.random.randint(4, 12))
    lines = "\n".join(f"- {recipes.INGREDIENTS[item].line(people)}" for item in items)
    return f"Quantities for {people}: {', '.join(items)}", lines


def _left_out(side: Side) -> tuple[str, str]:
    """Which ingredients a diet, or a guest, lets in."""
    wishes = {**recipes.DIETS, **{f"without {name}": avoid for name, avoid in recipes.WITHOUT.items()}}
    name = side.choice(list(wishes))
    items = side.sample(list(recipes.INGREDIENTS), side.random.randint(4, 12))
    wish = recipes.Wish(avoid=frozenset(wishes[name]))
    return f"What is {name}: {', '.join(items)}", ", ".join(i for i in items if recipes.allowed(i, wish)) or "nothing"


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
