"""Facts given earlier in the conversation."""

from collections.abc import Callable

from training.dialogues import arithmetic, talk
from training.dialogues.dialogue import Dialogue, Message, assistant, says, user
from training.dialogues.side import Side
from training.dialogues.words import COLOURS, HOBBIES, JOBS, PETS, article, city, made_up, name, polite

AREA = "memory"

# Per fact: how it is told, what the model answers to that, how it is asked for, and the answer.
_FACTS = {
    "name": (("My name is {x}.", "I am {x}.", "I'm {x}.", "Call me {x}.", "Hello, my name is {x}.", "Hi, I am {x}!", "They call me {x}.", "{x} is my name."),
             "Nice to meet you, {x}!",
             ("What is my name?", "Who am I?", "Do you remember my name?", "What's my name?", "Can you tell me my name?", "How am I called?"),
             "Your name is {x}."),
    "city": (("I live in {x}.", "I am from {x}.", "My home is in {x}.", "I come from {x}.", "I just moved to {x}.", "My city is {x}.", "I work and live in {x}."),
             "I will remember that you live in {x}.",
             ("Where do I live?", "Which city do I live in?", "Do you remember where I live?", "What is my city?", "Where is my home?", "In which city am I?"),
             "You live in {x}."),
    "number": (("My lucky number is {x}.", "Remember the number {x}.", "My number is {x}.", "The number to remember is {x}.", "Keep in mind the number {x}.", "Please note the number {x}."),
               "I will remember the number {x}.",
               ("What is the number?", "What was my number?", "Which number did I tell you?", "Do you remember the number?", "Tell me the number again.", "What number was it?"),
               "The number is {x}."),
    "colour": (("My favourite colour is {x}.", "I like {x} best of all colours.", "The colour I love is {x}.", "My colour is {x}.", "I prefer the colour {x}.", "{x} is my favourite colour."),
               "I will remember that your colour is {x}.",
               ("What is my favourite colour?", "Which colour do I like?", "Do you remember my colour?", "What colour do I prefer?", "What was my favourite colour?", "Which colour is mine?"),
               "Your favourite colour is {x}."),
    "job": (("I work as {x}.", "I am {x} by trade.", "My job: I am {x}.", "For a living I am {x}.", "I earn my money as {x}.", "By profession I am {x}."),
            "So you work as {x}. I will remember that.",
            ("What is my job?", "What do I do for a living?", "Do you remember my job?", "What is my profession?", "What do I work as?", "How do I earn my money?"),
            "You work as {x}."),
    "pet": (("My {kind} is called {x}.", "I have {akind} called {x}.", "The name of my {kind} is {x}.", "My {kind} has the name {x}.", "At home I have {akind} named {x}.", "I call my {kind} {x}."),
            "{x} is a lovely name.",
            ("What is my {kind} called?", "What is the name of my {kind}?", "Do you remember the name of my {kind}?", "How is my {kind} called?", "Tell me the name of my {kind}.", "Which name has my {kind}?"),
            "Your {kind} is called {x}."),
    "hobby": (("My hobby is {x}.", "I love {x}.", "In my free time I enjoy {x}.", "I spend my evenings with {x}.", "What I like most is {x}.", "I am fond of {x}."),
              "That sounds fun. I will remember that you like {x}.",
              ("What is my hobby?", "What do I like to do?", "Do you remember my hobby?", "What do I do in my free time?", "What was my hobby?", "What do I enjoy?"),
              "Your hobby is {x}."),
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
    if not side.chance(0.06):
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
