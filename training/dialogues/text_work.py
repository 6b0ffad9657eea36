"""Small tasks on a text: repeat, change case, sort, count, extract, rewrite a date."""

from collections.abc import Callable

from training.dialogues.dialogue import Dialogue, same, user
from training.dialogues.side import Side
from training.dialogues.words import COLOURS, MONTHS, NAMES, THINGS, city, listing, made_up, name, polite

AREA = "text work"

_REPEAT = (
    "Repeat: {x}",
    "Repeat after me: {x}",
    "Say this again: {x}",
    "Copy this text: {x}",
    "Echo: {x}",
    "Write exactly this: {x}",
    "Say: {x}",
)
_UPPER = ("Write in upper case: {x}", "Put this in capital letters: {x}", "Upper case: {x}", "Capitalize every letter: {x}", "Make this upper case: {x}",
          "Convert to upper case: {x}")  # fmt: skip
_LOWER = (
    "Write in lower case: {x}",
    "Put this in small letters: {x}",
    "Lower case: {x}",
    "Make this lower case: {x}",
    "Convert to lower case: {x}",
)
_SORT = ("Sort alphabetically: {x}", "Sort this list: {x}", "Put these words in alphabetical order: {x}", "Order these words from a to z: {x}",
         "Sort these words: {x}", "Arrange alphabetically: {x}")  # fmt: skip
_COUNT = ("How many words are in this list: {x}", "Count the words: {x}", "How many items are there: {x}", "Count these items: {x}", "How many words do you see: {x}",
          "Give me the number of items: {x}")  # fmt: skip
_DATE = ("Write the date {x} as YYYY-MM-DD.", "Convert {x} to ISO format.", "Change {x} to the format YYYY-MM-DD.", "Fix this date: {x}", "Give {x} in ISO form.",
         "What is {x} as YYYY-MM-DD?")  # fmt: skip
_EMAIL = ("Extract the email address: {x}", "Find the email address in this text: {x}", "Which email address is in here: {x}", "Give me only the email: {x}",
          "What is the email address? {x}")  # fmt: skip
_WHO = (
    "Extract the name: {x}",
    "Who is in this text: {x}",
    "Find the name in this text: {x}",
    "Give me only the name: {x}",
    "Which person is named here: {x}",
)
_FIRST = (
    "What is the first word of this list: {x}",
    "Give me the first item: {x}",
    "Name the first word: {x}",
    "First item of: {x}",
    "Which word comes first: {x}",
)
_LAST = (
    "What is the last word of this list: {x}",
    "Give me the last item: {x}",
    "Name the last word: {x}",
    "Last item of: {x}",
    "Which word comes last: {x}",
)


def make(side: Side) -> Dialogue:
    """One task, whose answer is nothing but the result."""
    task = side.choice(_TASKS)
    while True:
        question, answer = task(side)
        if side.owns(answer, question[-20:]):
            return Dialogue(
                AREA, [user(polite(side, question) if task is not _repeat else question)], answer, same(answer)
            )


def _words(side: Side, low: int = 2, high: int = 6) -> list[str]:
    return [made_up(side) if side.chance(0.25) else side.choice(THINGS) for _ in range(side.random.randint(low, high))]


def _repeat(side: Side) -> tuple[str, str]:
    text = " ".join(_words(side))
    return side.pick(_REPEAT).format(x=text), text


def _upper(side: Side) -> tuple[str, str]:
    text = " ".join(_words(side, 1, 4))
    return side.pick(_UPPER).format(x=text), text.upper()


def _lower(side: Side) -> tuple[str, str]:
    text = " ".join(_words(side, 1, 4))
    return side.pick(_LOWER).format(x=text.upper()), text


def _sort(side: Side) -> tuple[str, str]:
    words = side.sample(THINGS, side.random.randint(3, 5))
    return side.pick(_SORT).format(x=", ".join(words)), ", ".join(sorted(words))


def _count(side: Side) -> tuple[str, str]:
    words = side.sample(THINGS, side.random.randint(2, 8))
    return side.pick(_COUNT).format(x=", ".join(words)), str(len(words))


def _date(side: Side) -> tuple[str, str]:
    day, month, year = side.random.randint(1, 28), side.random.randint(1, 12), side.random.randint(1950, 2040)
    shown = side.choice([f"{day} {MONTHS[month - 1]} {year}", f"{MONTHS[month - 1]} {day}, {year}"])
    return side.pick(_DATE).format(x=shown), f"{year}-{month:02}-{day:02}"


def _email(side: Side) -> tuple[str, str]:
    address = f"{side.choice(NAMES).lower()}@{made_up(side)}.{side.choice(['com', 'org', 'net'])}"
    text = side.choice(
        [
            "Please write to {e} soon.",
            "My address is {e} and I live in {c}.",
            "Contact {e} for help.",
            "The mail came from {e}.",
        ]
    )
    return side.pick(_EMAIL).format(x=text.format(e=address, c=city(side))), address


def _who(side: Side) -> tuple[str, str]:
    who = name(side)
    text = side.choice(
        [
            "Yesterday {n} went to {c}.",
            "The new teacher is {n} from {c}.",
            "A letter for {n} arrived from {c}.",
            "In {c} we met {n}.",
        ]
    )
    return side.pick(_WHO).format(x=text.format(n=who, c=city(side))), who


def _first(side: Side) -> tuple[str, str]:
    words = side.sample(THINGS + COLOURS, side.random.randint(2, 6))
    return side.pick(_FIRST).format(x=listing(words) if side.chance(0.3) else ", ".join(words)), words[0]


def _last(side: Side) -> tuple[str, str]:
    words = side.sample(THINGS + COLOURS, side.random.randint(2, 6))
    return side.pick(_LAST).format(x=", ".join(words)), words[-1]


_TASKS: tuple[Callable[[Side], tuple[str, str]], ...] = (
    _repeat, _upper, _lower, _sort, _count, _date, _email, _who, _first, _last,
)  # fmt: skip
