"""Sums, differences and products of small numbers, and word problems of one step."""

import re

from training.dialogues.dialogue import Check, Dialogue, user
from training.dialogues.side import Side
from training.dialogues.wordings import every, polite
from training.dialogues.words import NAMES, THINGS

AREA = "arithmetic"

_ASK = {
    "+": ("What is {a} + {b}?", "{a} + {b}", "{a}+{b}=?", "How much is {a} plus {b}?", "Add {a} and {b}.", "Calculate {a} + {b}.",
          "Tell me the sum of {a} and {b}.", "Work out {a} + {b}.", "What do you get when you add {b} to {a}?", "Please compute {a} + {b}.", "{a} plus {b}", "{a} and {b} is?", "Sum of {a} and {b}?", "If I add {a} and {b}, what do I get?",
          "When I add {a} to {b}, how much is it?", "Suppose I add {a} and {b}. What is the result?", "If you add {b} to {a}, what is it?", "{a} added to {b}?",
          "I add {b} to {a}. What is the sum?", "What does {a} and {b} make?", "Let me add {a} and {b}: how much?", "If {a} and {b} are added, what comes out?"),
    "-": ("What is {a} - {b}?", "{a} - {b}", "{a}-{b}=?", "How much is {a} minus {b}?", "Subtract {b} from {a}.", "Calculate {a} - {b}.",
          "Take {b} away from {a}.", "Work out {a} - {b}.", "What is left of {a} after taking {b}?", "Please compute {a} - {b}.", "{a} minus {b}", "{a} less {b} is?", "Difference of {a} and {b}?", "If I take {b} from {a}, what do I get?",
          "When I subtract {b} from {a}, how much is it?"),
    "*": ("What is {a} * {b}?", "{a} x {b}", "{a}*{b}=?", "How much is {a} times {b}?", "Multiply {a} by {b}.", "Calculate {a} * {b}.",
          "What is the product of {a} and {b}?", "Work out {a} times {b}.", "What is {a} multiplied by {b}?", "Please compute {a} x {b}.", "{a} times {b}", "{a} by {b} is?", "Product of {a} and {b}?", "If I multiply {a} by {b}, what do I get?",
          "When I multiply {a} and {b}, how much is it?"),
}  # fmt: skip
_STORIES = {
    "+": every(
        ("{name} has {a} {things} and {more} {b} more. {ask}", "{name} {got} {a} {things} in the morning and {b} in the evening. {ask}",
         "{name} {got} {a} {things} on Monday and {b} on Tuesday. {ask}", "There are {a} {things} on the table and {b} in the box. {ask}",
         "{name} has {a} {things}. A friend {gives} {b} more. {ask}", "There are {a} {things} here. Then {name} {puts} {b} more. {ask}"),
        more=("buys", "finds", "gets", "wins", "makes"), got=("found", "sold", "bought", "made", "counted"), gives=("brings", "gives", "sends"),
        puts=("adds", "brings"), ask=("How many {things} are there now?", "How many {things} is that in all?", "How many is that together?", "How many {things} in total?")),
    "-": every(
        ("{name} has {a} {things} and {away} {b}. {ask}", "There are {a} {things} in the box. {name} {takes} {b} of them. {ask}",
         "{name} had {a} {things}. Then {b} of them {gone}. {ask}", "There were {a} {things} in the shop and {b} {gone}. {ask}",
         "Of {a} {things}, {b} {gone}. {ask}"),
        away=("gives away", "loses", "sells", "eats", "drops", "breaks"), takes=("takes", "eats", "sells", "throws away"),
        gone=("were sold", "were lost", "broke", "were taken", "were eaten"),
        ask=("How many {things} are left?", "How many remain?", "How many {things} are still there?", "How many are left over?")),
    "*": every(
        ("{name} has {a} {boxes} with {b} {things} each. {ask}", "Each of {a} {boxes} holds {b} {things}. {ask}", "There are {a} {boxes} of {b} {things}. {ask}",
         "{name} buys {b} {things} on each of {a} days. {ask}", "{a} children have {b} {things} each. {ask}", "{name} fills {a} {boxes} with {b} {things} each. {ask}"),
        boxes=("boxes", "bags", "rows", "baskets", "shelves"),
        ask=("How many {things} are there in all?", "How many {things} is that?", "How many {things} in total?", "How many is that together?")),
}  # fmt: skip


def make(side: Side) -> Dialogue:
    """A sum, difference or product."""
    sign = side.choice("+-*")
    a, b = numbers(side, sign)
    if side.chance(0.35) and min(a, b) >= 2:
        things = _plural(side.choice(THINGS))
        question = side.pick(_STORIES[sign]).format(name=side.choice(NAMES), a=a, b=b, things=things)
    else:
        question = polite(side, side.pick(_ASK[sign]).format(a=a, b=b))
    return Dialogue(AREA, [user(question)], worked(sign, a, b), last_number(outcome(sign, a, b)))


def worked(sign: str, a: int, b: int) -> str:
    """The calculation with its result; a sum or difference of two numbers of two digits takes tens first, then ones."""
    result = outcome(sign, a, b)
    if sign == "*" or min(a, b) < 10 or b % 10 == 0:
        return f"{a} {sign} {b} = {result}"
    tens, ones = b - b % 10, b % 10
    between = outcome(sign, a, tens)
    return f"{a} {sign} {b} = {a} {sign} {tens} {sign} {ones} = {between} {sign} {ones} = {result}"


def outcome(sign: str, a: int, b: int) -> int:
    """What comes out."""
    return {"+": a + b, "-": a - b, "*": a * b}[sign]


def numbers(side: Side, sign: str) -> tuple[int, int]:
    """Two numbers whose sum or difference is this side's."""
    while True:
        top = 12 if sign == "*" else side.choice([10, 20, 100])
        a, b = side.random.randint(0 if sign != "*" else 1, top), side.random.randint(0 if sign != "*" else 1, top)
        if sign == "-" and b > a:
            a, b = b, a
        # Facts of the multiplication table cannot be derived by a small model, so both sides may ask for them.
        if sign == "*" or side.owns(sign, a, b):
            return a, b


def last_number(expected: int) -> Check:
    """The last number of the answer is this."""
    return lambda text: (re.findall(r"-?\d+", text) or [""])[-1] == str(expected)


def _plural(noun: str) -> str:
    if noun.endswith(("s", "x", "ch", "sh")):
        return noun + "es"
    return noun[:-1] + "ies" if noun.endswith("y") and noun[-2] not in "aeiou" else noun + "s"
