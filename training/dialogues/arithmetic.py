"""Sums, differences and products of small numbers, and word problems of one step."""

import re

from training.dialogues.dialogue import Check, Dialogue, user
from training.dialogues.side import Side
from training.dialogues.words import NAMES, THINGS, polite

AREA = "arithmetic"

_ASK = {
    "+": ("What is {a} + {b}?", "{a} + {b}", "{a}+{b}=?", "How much is {a} plus {b}?", "Add {a} and {b}.", "Calculate {a} + {b}.",
          "Tell me the sum of {a} and {b}.", "Work out {a} + {b}.", "What do you get when you add {b} to {a}?", "Please compute {a} + {b}."),
    "-": ("What is {a} - {b}?", "{a} - {b}", "{a}-{b}=?", "How much is {a} minus {b}?", "Subtract {b} from {a}.", "Calculate {a} - {b}.",
          "Take {b} away from {a}.", "Work out {a} - {b}.", "What is left of {a} after taking {b}?", "Please compute {a} - {b}."),
    "*": ("What is {a} * {b}?", "{a} x {b}", "{a}*{b}=?", "How much is {a} times {b}?", "Multiply {a} by {b}.", "Calculate {a} * {b}.",
          "What is the product of {a} and {b}?", "Work out {a} times {b}.", "What is {a} multiplied by {b}?", "Please compute {a} x {b}."),
}  # fmt: skip
_STORIES = {
    "+": ("{name} has {a} {things} and buys {b} more. How many {things} does {name} have now?",
          "There are {a} {things} on the table and {b} in the box. How many {things} are there in all?",
          "{name} found {a} {things} in the morning and {b} in the evening. How many is that together?",
          "A shop sold {a} {things} on Monday and {b} on Tuesday. How many did it sell?",
          "{name} owns {a} {things}. A friend gives {b} {things} to {name}. How many are there now?"),
    "-": ("{name} has {a} {things} and gives away {b}. How many {things} are left?",
          "A box holds {a} {things}. {name} takes {b} of them. How many remain?",
          "There were {a} {things} in the shop and {b} were sold. How many are still there?",
          "{name} had {a} {things} and lost {b}. How many does {name} have now?",
          "Of {a} {things}, {b} are broken. How many are not broken?"),
    "*": ("{name} has {a} boxes with {b} {things} each. How many {things} are there?",
          "Each of {a} bags holds {b} {things}. How many {things} is that?",
          "There are {a} rows of {b} {things}. How many {things} are there in all?",
          "{name} buys {b} {things} on each of {a} days. How many {things} is that?",
          "{a} children have {b} {things} each. How many {things} do they have together?"),
}  # fmt: skip


def make(side: Side) -> Dialogue:
    """A sum, difference or product."""
    while True:
        sign = side.choice("+-*")
        top = 12 if sign == "*" else side.choice([10, 20, 100])
        a, b = side.random.randint(0 if sign != "*" else 1, top), side.random.randint(0 if sign != "*" else 1, top)
        if sign == "-" and b > a:
            a, b = b, a
        # Facts of the multiplication table cannot be derived by a small model, so both sides may ask for them.
        if sign != "*" and not side.owns(sign, a, b):
            continue
        result = {"+": a + b, "-": a - b, "*": a * b}[sign]
        if side.chance(0.35) and min(a, b) >= 2:
            things = _plural(side.choice(THINGS))
            question = side.pick(_STORIES[sign]).format(name=side.choice(NAMES), a=a, b=b, things=things)
        else:
            question = polite(side, side.pick(_ASK[sign]).format(a=a, b=b))
        return Dialogue(AREA, [user(question)], f"{a} {sign} {b} = {result}", last_number(result))


def last_number(expected: int) -> Check:
    """The last number of the answer is this."""
    return lambda text: (re.findall(r"-?\d+", text) or [""])[-1] == str(expected)


def _plural(noun: str) -> str:
    if noun.endswith(("s", "x", "ch", "sh")):
        return noun + "es"
    return noun[:-1] + "ies" if noun.endswith("y") and noun[-2] not in "aeiou" else noun + "s"
