"""Facts given earlier in the conversation."""

from collections.abc import Callable

from training.dialogues import arithmetic, talk
from training.dialogues.dialogue import Dialogue, Message, assistant, says, user
from training.dialogues.side import Side
from training.dialogues.wordings import every, polite
from training.dialogues.words import COLOURS, HOBBIES, JOBS, PETS, article, city, made_up, name

AREA = "memory"
_LEADS = ("", "hello, ", "hi, ", "hey, ", "by the way, ", "you should know: ", "one more thing: ")


def _ask(question: str, *things: str) -> tuple[str, ...]:
    was = question.replace(" is", " was")
    return every(
        (
            "{q} {x}?", "Do you remember {x}?", "Do you know {x}?", "Can you tell me {x}?", "Tell me {x}.", "Do you still know {x}?",
            "I forgot {x}. Can you help?", "{q} {x} again?", "Say {x}.", "Remind me: {q} {x}?",
        ),
        q=(question, was), x=things,
    )  # fmt: skip


# Per fact: how it is told, what the model answers to that, how it is asked for, and the answer.
_FACTS: dict[str, tuple[tuple[str, ...], str, tuple[str, ...], str]] = {
    "name": (every(("{lead}my name is {x}.", "{lead}I am {x}.", "{lead}I'm {x}.", "{lead}call me {x}.", "{lead}they call me {x}.", "{x} is my name."), lead=_LEADS),
             "Nice to meet you, {x}!", _ask("What is", "my name"), "Your name is {x}."),
    "city": (every(("{lead}I live in {x}.", "{lead}I am from {x}.", "{lead}my home is in {x}.", "{lead}I come from {x}.", "{lead}I just moved to {x}.", "{lead}my city is {x}."), lead=_LEADS),
             "I will remember that you live in {x}.", (*_ask("What is", "my city"), *_ask("Where is", "my home"), "Where do I live?", "Do you remember where I live?", "Which city do I live in?", "In which city do I live?"),
             "You live in {x}."),
    "number": (every(("{lead}my lucky number is {x}.", "{lead}remember the number {x}.", "{lead}my number is {x}.", "{lead}the number is {x}.", "{lead}keep in mind the number {x}.", "{lead}please note the number {x}."), lead=_LEADS),
               "I will remember the number {x}.", (*_ask("What is", "the number", "my number"), "Which number did I tell you?"), "The number is {x}."),
    "colour": (every(("{lead}my favourite colour is {x}.", "{lead}the colour I love is {x}.", "{lead}my colour is {x}.", "{lead}I prefer the colour {x}.", "{lead}I like the colour {x}.", "{x} is my favourite colour."), lead=_LEADS),
               "I will remember that your colour is {x}.", (*_ask("What is", "my favourite colour", "my colour"), "Which colour do I like?"), "Your favourite colour is {x}."),
    "job": (every(("{lead}I work as {x}.", "{lead}I am {x} by trade.", "{lead}my job: I am {x}.", "{lead}my job is that of {x}.", "{lead}by profession I am {x}."), lead=_LEADS),
            "So you work as {x}. I will remember that.", (*_ask("What is", "my job", "my profession"), "What do I do for a living?", "What do I work as?"), "You work as {x}."),
    "pet": (every(("{lead}my {kind} is called {x}.", "{lead}I have {akind} called {x}.", "{lead}the name of my {kind} is {x}.", "{lead}my {kind} has the name {x}.", "{lead}at home I have {akind} named {x}."), lead=_LEADS),
            "{x} is a lovely name.", (*_ask("What is", "the name of my {kind}"), "What is my {kind} called?", "How is my {kind} called?"), "Your {kind} is called {x}."),
    "hobby": (every(("{lead}my hobby is {x}.", "{lead}I love {x}.", "{lead}in my free time I enjoy {x}.", "{lead}what I like most is {x}.", "{lead}I am fond of {x}."), lead=_LEADS),
              "That sounds fun. I will remember that you like {x}.", (*_ask("What is", "my hobby"), "What do I like to do?", "What do I do in my free time?", "What do I enjoy?"), "Your hobby is {x}."),
}  # fmt: skip


def make(side: Side) -> Dialogue:
    """One to three facts, other talk, and a question about one of them."""
    chosen = side.sample(list(_FACTS), side.random.randint(1, 3))
    values = {fact: _value(side, fact) for fact in chosen}
    messages: list[Message] = []
    for fact in chosen:
        told, reply, _, _ = _FACTS[fact]
        messages += [user(side.pick(told).format(**values[fact])), assistant(reply.format(**values[fact]))]
    asked = side.choice(chosen)
    if not side.chance(side.share(0.06, 0.12)):
        for _ in range(side.choice([0, 0, 1, 1, 2])):
            other = side.choice([arithmetic, talk]).make(side)
            messages += other.whole
    else:
        # What was never told is not known.
        missing = side.choice([fact for fact in _FACTS if fact not in chosen and fact != "pet"])
        question = polite(side, side.pick(_FACTS[missing][2]))
        return Dialogue(AREA, [*messages, user(question)], "You have not told me that yet.", says("not told me"))
    question = polite(side, side.pick(_FACTS[asked][2]).format(**values[asked]))
    return Dialogue(
        AREA, [*messages, user(question)], _FACTS[asked][3].format(**values[asked]), says(values[asked]["x"])
    )


def _value(side: Side, fact: str) -> dict[str, str]:
    kind = side.choice(PETS)
    makers: dict[str, Callable[[], str]] = {
        "name": lambda: name(side), "city": lambda: city(side), "number": lambda: str(side.random.randint(2, 9999)),
        "colour": lambda: side.choice(COLOURS), "job": lambda: article(side.choice(JOBS)),
        "pet": lambda: made_up(side, 2).capitalize(), "hobby": lambda: side.choice(HOBBIES),
    }  # fmt: skip
    return {"x": makers[fact](), "kind": kind, "akind": article(kind)}
