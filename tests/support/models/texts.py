"""Random texts of all kinds: scripts, code, emoji, whitespace, digits, contractions, control tokens."""

import random
import sys
import sysconfig
import unicodedata
from collections import defaultdict
from collections.abc import Callable, Iterator, Sequence
from functools import cache
from pathlib import Path

_SPACES = [
    " ",
    "  ",
    "\t",
    "\n",
    "\r\n",
    "\n\n",
    " \n",
    "\n ",
    "        ",
    "\xa0",
    "\u3000",
    "\u2028",
    "\x0b",
    "\x85",
    "\r",
]
_EMOJI = ["😀", "👨‍👩‍👧‍👦", "🏳️‍🌈", "🇩🇪", "👍🏽", "❤️", "☃", "①", "½", "Ⅷ", "\u200b", "\u200d"]
_ENDINGS = ["'s", "'S", "'t", "'LL", "'ll", "'re", "'RE", "'Ve", "'d", "'m", "'x", "’s", "'"]
_ODD = [
    "\x00",
    "\x01",
    "\ufffd",
    "<0x0A>",
    "▁",
    "▁▁",
    "\ufeff",
    "Ġ",
    "##a",
    "\x7f",
    "IMGIMGABZ",
    "<sentinel:12>",
    "<",
    "|>",
]


@cache
def _scripts() -> list[list[str]]:
    """Characters by the first word of their names. Left out is what Unicode added after version 14."""
    named = defaultdict(list)
    for code in range(1, sys.maxunicode + 1):
        if unicodedata.ucd_3_2_0.category(chr(code)) not in ("Cn", "Co", "Cs"):
            named[unicodedata.name(chr(code), "").split(" ")[0]].append(chr(code))
    return [characters for characters in named.values() if len(characters) > 10]


@cache
def _code() -> str:
    files = sorted(Path(sysconfig.get_path("stdlib")).glob("*.py"))[:40]
    return "".join(path.read_text(errors="replace") for path in files)


def texts(count: int, seed: int, whole: Sequence[str] = ()) -> Iterator[str]:
    """`count` texts of up to a few hundred characters, the same for the same seed; `whole` occur in them."""
    chance = random.Random(seed)
    scripts, code = _scripts(), _code()
    words = code.split()

    def script() -> str:
        characters = chance.choice(scripts)
        return "".join(chance.choice(characters) for _ in range(chance.randrange(1, 10)))

    def excerpt() -> str:
        start = chance.randrange(len(code))
        return code[start : start + chance.randrange(60)]

    kinds: list[Callable[[], str]] = [
        lambda: chance.choice(words),
        excerpt,
        script,
        lambda: "".join(chance.choice(chance.choice(scripts)) for _ in range(4)),
        lambda: chance.choice(_SPACES) * chance.choice((1, 1, 2, 5)),
        lambda: chance.choice(_EMOJI),
        lambda: chance.choice(("it", "THEY", "ä", "9")) + chance.choice(_ENDINGS),
        lambda: "".join(chance.choice("0123456789") for _ in range(chance.randrange(1, 14))),
        lambda: chance.choice("aeiouAEIOU") + chance.choice("\u0301\u0308\u0323\u20dd"),
        lambda: chance.choice("!?.,;:-_#$%&*()[]{}<>/\\|@^~`+=\"'") * chance.randrange(1, 6),
        lambda: "".join(chance.choice("abcXYZäÖДжß") for _ in range(chance.randrange(1, 9))),
        lambda: chance.choice(_ODD),
        lambda: chance.choice(whole) if whole else " ",
    ]
    for _ in range(count):
        parts = (chance.choice(kinds)() + " " * (chance.random() < 0.3) for _ in range(chance.randrange(1, 14)))
        yield "".join(parts)
