"""Misspelt names are found just as `difflib` finds them, and anagrams cost no comparison."""

import difflib
import random
from difflib import SequenceMatcher

import msgspec
import pytest

from forefront.wire.completions.request import ChatRequest
from forefront.wire.parsing.near_names import NearNames

NAMES = [field.name for field in msgspec.structs.fields(ChatRequest)]
LETTERS = "abcdefghijklmnopqrstuvwxyz_-AB0é"


def misspelt(name: str, chance: random.Random) -> str:
    """The name with a few slips: a character more, less, another, two the other way round, or a part moved."""
    characters = list(name)
    for _ in range(chance.randint(1, 4)):
        at = chance.randrange(len(characters))
        match chance.randrange(5):
            case 0:
                characters.insert(at, chance.choice(LETTERS))
            case 1 if len(characters) > 1:
                del characters[at]
            case 2:
                characters[at] = chance.choice(LETTERS)
            case 3:
                characters[at : at + 2] = reversed(characters[at : at + 2])
            case _:
                characters = characters[at:] + characters[:at]
    return "".join(characters)


def fold(name: str) -> str:
    """A name without the marks between its words: `maxTokens`, `max-tokens` and `max_tokens` are the same."""
    return name.replace("_", "").replace("-", "").lower()


def test_the_same_names_are_found_as_by_comparing_all() -> None:
    chance, names, found = random.Random(1), NearNames(NAMES), 0
    for _ in range(3000):
        name = misspelt(chance.choice(NAMES), chance)
        folded = [known for known in NAMES if fold(known) == fold(name)]
        expected = folded or difflib.get_close_matches(name, NAMES, n=1, cutoff=0.85)
        assert names.find(name) == (expected[0] if expected else None), name
        found += bool(expected)
    assert 300 < found < 2700


@pytest.mark.parametrize("name", ["", "a", "x" * 2**20, "temperature" * 10_000])
def test_names_of_unusual_length_match_nothing(name: str) -> None:
    assert NearNames(NAMES).find(name) is None


def test_anagrams_are_not_compared(monkeypatch: pytest.MonkeyPatch) -> None:
    compared = 0

    def ratio(matcher: "SequenceMatcher[str]") -> float:
        nonlocal compared
        compared += 1
        return 0.0

    monkeypatch.setattr(SequenceMatcher, "ratio", ratio)
    chance, names = random.Random(2), NearNames(NAMES)
    long = [name for name in NAMES if len(name) >= 8]
    for name in long:
        for _ in range(20):
            names.find("".join(chance.sample(name, len(name))))
    assert compared < len(long) * 20 / 10
