"""Sets of characters, as ranges of code points, and the named ones of regular expressions."""

import unicodedata
from functools import cache
from typing import Final

# Both ends of a range are included.
Ranges = tuple[tuple[int, int], ...]

MAX_CODE: Final = 0x10FFFF
ALL: Final[Ranges] = ((0, 0xD7FF), (0xE000, MAX_CODE))
DIGITS: Final[Ranges] = ((0x30, 0x39),)
WORD: Final[Ranges] = ((0x30, 0x39), (0x41, 0x5A), (0x5F, 0x5F), (0x61, 0x7A))
ECMA_SPACE: Final[Ranges] = (
    (0x09, 0x0D), (0x20, 0x20), (0xA0, 0xA0), (0x1680, 0x1680), (0x2000, 0x200A), (0x2028, 0x2029), (0x202F, 0x202F),
    (0x205F, 0x205F), (0x3000, 0x3000), (0xFEFF, 0xFEFF),
)  # fmt: skip
# Whitespace elsewhere: controls of Python, the next line of Rust, and the byte order mark of ECMA.
OTHER_SPACE: Final[Ranges] = ((0x1C, 0x1F), (0x85, 0x85), (0xFEFF, 0xFEFF))
RUST_SPACE: Final[Ranges] = (
    (0x09, 0x0D), (0x20, 0x20), (0x85, 0x85), (0xA0, 0xA0), (0x1680, 0x1680), (0x2000, 0x200A), (0x2028, 0x2029),
    (0x202F, 0x202F), (0x205F, 0x205F), (0x3000, 0x3000),
)  # fmt: skip
ECMA_LINE_ENDS: Final[Ranges] = ((0x0A, 0x0A), (0x0D, 0x0D), (0x2028, 0x2029))
CATEGORIES: Final = {
    "ascii": "", "any": "", "letter": "L", "l": "L", "lowercase_letter": "Ll", "uppercase_letter": "Lu",
    "number": "N", "decimal_number": "Nd", "punctuation": "P", "symbol": "S", "separator": "Z", "mark": "M",
    "alphabetic": "L", "lowercase": "Ll", "uppercase": "Lu", "other": "C", "control": "Cc",
}  # fmt: skip
# Characters of each property: those that most implementations include, and those that only some do.
EMOJI: Final[dict[str, Ranges]] = {
    **dict.fromkeys(("Emoji", "Emoji_Presentation", "Extended_Pictographic", "RGI_Emoji"), ((0x1F600, 0x1F640),)),
    **dict.fromkeys(("Emoji_Component", "Regional_Indicator"), ((0x1F1E6, 0x1F1FF),)),
    "Emoji_Modifier": ((0x1F3FB, 0x1F3FF),),
    "Emoji_Modifier_Base": ((0x1F466, 0x1F469),),
}


def normalized(ranges: Ranges) -> Ranges:
    """The same characters in order, without overlaps."""
    merged: list[tuple[int, int]] = []
    for low, high in sorted(ranges):
        if merged and low <= merged[-1][1] + 1:
            merged[-1] = (merged[-1][0], max(merged[-1][1], high))
        else:
            merged.append((low, high))
    return tuple(merged)


def intersection(first: Ranges, second: Ranges) -> Ranges:
    """The characters that are in both."""
    common = [(max(a, c), min(b, d)) for a, b in first for c, d in second if max(a, c) <= min(b, d)]
    return normalized(tuple(common))


def complement(ranges: Ranges) -> Ranges:
    """All other characters, surrogates excluded."""
    gaps, start = [], 0
    for low, high in normalized(ranges):
        if low > start:
            gaps.append((start, low - 1))
        start = high + 1
    if start <= MAX_CODE:
        gaps.append((start, MAX_CODE))
    return intersection(tuple(gaps), ALL)


@cache
def category(prefix: str) -> Ranges:
    """The characters of a Unicode category, such as `L` or `Nd`."""
    codes = [code for code in range(0x3FFFF) if unicodedata.category(chr(code)).startswith(prefix)]
    return intersection(normalized(tuple((code, code) for code in codes)), ALL)
