"""Small tasks on a text: repeat, change case, sort, count, extract, rewrite a date."""

import functools
from collections.abc import Callable

from training.dialogues.dialogue import Dialogue, same, user
from training.dialogues.side import Side
from training.dialogues.wordings import every, polite
from training.dialogues.words import COLOURS, MONTHS, NAMES, THINGS, city, made_up, name

AREA = "text work"

_REPEAT = (
    "Repeat",
    "Repeat after me",
    "Say this again",
    "Copy this text",
    "Echo this",
    "Write exactly this",
    "Repeat this text",
    "Repeat these words",
    "Say exactly this",
    "Copy these words",
)
_UPPER = (
    "Write in upper case",
    "Put this in capital letters",
    "Upper case this",
    "Capitalize every letter",
    "Make this upper case",
    "Convert to upper case",
    "Turn this into upper case",
    "Put this in upper case",
    "Change to capital letters",
)
_LOWER = (
    "Write in lower case",
    "Put this in small letters",
    "Lower case this",
    "Make this lower case",
    "Convert to lower case",
    "Turn this into lower case",
    "Put this in lower case",
    "Change to small letters",
)
_SORT = (
    "Sort alphabetically",
    "Sort this list",
    "Put these words in alphabetical order",
    "Order these words from a to z",
    "Sort these words",
    "Arrange alphabetically",
    "Sort these words alphabetically",
    "Put this list in alphabetical order",
    "Sort from a to z",
    "Arrange these words from a to z",
)
_COUNT = (
    "Count the words",
    "Count these items",
    "Count these words",
    "Count the items in this list",
    "Give me the number of items",
    "Give me the number of words",
    "Tell me how many words there are",
    "Tell me how many items this list has",
    "How many words are in this list",
    "How many items are there",
    "How many words do you see",
)
_DATE = (
    "Write {x} as YYYY-MM-DD",
    "Write the date {x} as YYYY-MM-DD",
    "Convert {x} to ISO format",
    "Convert the date {x} to YYYY-MM-DD",
    "Change {x} to the format YYYY-MM-DD",
    "Fix this date: {x}",
    "Give {x} in ISO form",
    "What is {x} as YYYY-MM-DD?",
    "What is {x} in ISO format?",
    "Turn {x} into ISO format",
    "Change the date {x} to ISO format",
    "Put {x} in the format YYYY-MM-DD",
    "Date {x} as YYYY-MM-DD",
)
_EMAIL = (
    "Extract the email address",
    "Find the email address in this text",
    "Which email address is in here",
    "Give me only the email",
    "What is the email address",
    "Find the email",
    "Extract the email from this text",
    "Give me the email address in this text",
)
_WHO = (
    "Extract the name",
    "Who is in this text",
    "Find the name in this text",
    "Give me only the name",
    "Which person is named here",
    "Find the name of the person",
    "Extract the name from this text",
    "What is the name in this text",
)
_FIRST = (
    "What is the first word of this list",
    "Give me the first item",
    "Name the first word",
    "Give me the first word",
    "Which word comes first",
    "What is the first item",
    "Tell me the first word of this list",
    "Write only the first word",
)
_LAST = (
    "What is the last word of this list",
    "Give me the last item",
    "Name the last word",
    "Give me the last word",
    "Which word comes last",
    "What is the last item",
    "Tell me the last word of this list",
    "Write only the last word",
)
_FORMS = ("{i}: {x}", "{i}:\n{x}", '{i}: "{x}"', "{i}.\n\n{x}")


def make(side: Side) -> Dialogue:
    """One task, whose answer is nothing but the result."""
    task = side.choice(_TASKS if side.chance(side.share(1, 0.5)) else _HARD)
    while True:
        question, answer = task(side)
        if side.owns(answer, question[-20:]):
            return Dialogue(AREA, [user(question)], answer, same(answer))


def _put(side: Side, instructions: tuple[str, ...], text: str) -> str:
    """An instruction and the text that it is about; the wording is the instruction in its form."""
    return side.pick(_wordings(instructions)).replace("{x}", text)


@functools.cache
def _wordings(instructions: tuple[str, ...]) -> tuple[str, ...]:
    return every(_FORMS, i=instructions)


def _words(side: Side, low: int = 2, high: int = 6) -> list[str]:
    return [made_up(side) if side.chance(0.25) else side.choice(THINGS) for _ in range(side.random.randint(low, high))]


def _repeat(side: Side) -> tuple[str, str]:
    text = " ".join(_words(side, 1, side.choice([4, 8, 16])))
    return _put(side, _REPEAT, text), text


def _upper(side: Side) -> tuple[str, str]:
    text = " ".join(_words(side, 1, 4))
    return _put(side, _UPPER, text), text.upper()


def _lower(side: Side) -> tuple[str, str]:
    text = " ".join(_words(side, 1, 4))
    return _put(side, _LOWER, text.upper()), text


def _sort(side: Side) -> tuple[str, str]:
    words = side.sample(THINGS, side.random.randint(3 if side.held_out else 2, 5))
    return _put(side, _SORT, ", ".join(words)), ", ".join(sorted(words))


def _count(side: Side) -> tuple[str, str]:
    words = side.sample(THINGS, side.random.randint(2, 8))
    return _put(side, _COUNT, ", ".join(words)), str(len(words))


def _date(side: Side) -> tuple[str, str]:
    day, month, year = side.random.randint(1, 28), side.random.randint(1, 12), side.random.randint(1950, 2040)
    shown = side.choice([f"{day} {MONTHS[month - 1]} {year}", f"{MONTHS[month - 1]} {day}, {year}"])
    return polite(side, side.pick(_DATE).format(x=shown)), f"{year}-{month:02}-{day:02}"


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
    return _put(side, _EMAIL, text.format(e=address, c=city(side))), address


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
    return _put(side, _WHO, text.format(n=who, c=city(side))), who


def _first(side: Side) -> tuple[str, str]:
    words = side.sample(THINGS + COLOURS, side.random.randint(2, 6))
    return _put(side, _FIRST, ", ".join(words)), words[0]


def _last(side: Side) -> tuple[str, str]:
    words = side.sample(THINGS + COLOURS, side.random.randint(2, 6))
    return _put(side, _LAST, ", ".join(words)), words[-1]


_TASKS: tuple[Callable[[Side], tuple[str, str]], ...] = (
    _repeat, _repeat, _upper, _lower, _sort, _sort, _sort, _count, _date, _email, _who, _first, _last,
)  # fmt: skip
# Where training has to spend more: the place of every word in the alphabet, and letters of unknown words.
_HARD = (_sort, _sort, _sort, _upper, _upper, _lower, _lower, _repeat, _count, _date)
