"""The bytes that each token represents."""

from collections.abc import Sequence
from itertools import accumulate, count, pairwise
from typing import Final

import numpy as np

# U+2581, which SentencePiece writes for a space.
SPACE: Final = "▁"


def byte_symbols() -> list[str]:
    """GPT-2's character for each byte: itself where it is visible, else one from U+0100 on."""
    visible = {*range(ord("!"), ord("~") + 1), *range(ord("¡"), ord("¬") + 1), *range(ord("®"), ord("ÿ") + 1)}
    others = count(256)
    return [chr(byte if byte in visible else next(others)) for byte in range(256)]


def symbol_pieces(texts: Sequence[str]) -> list[bytes]:
    """The bytes of tokens that are written in GPT-2's symbols. A token with another character represents itself."""
    unknown = 256
    table = np.full(0x110000, unknown, np.uint16)
    table[[ord(symbol) for symbol in byte_symbols()]] = np.arange(256)
    # One look-up for the whole vocabulary: a call for each token would take most of the loading time.
    codes = table[np.frombuffer("".join(texts).encode("utf-32-le", "surrogatepass"), np.uint32)]
    joined = codes.astype(np.uint8).tobytes()
    ends = list(accumulate(map(len, texts), initial=0))
    pieces = [joined[start:end] for start, end in pairwise(ends)]
    others = np.searchsorted(np.array(ends), np.flatnonzero(codes == unknown), side="right") - 1
    for token in set(others.tolist()):
        pieces[token] = texts[token].encode()
    return pieces


def spaced_pieces(texts: Sequence[str]) -> list[bytes]:
    """The bytes of tokens that are written in UTF-8 with U+2581 for a space."""
    # One replacement and one encoding for the whole vocabulary, if an unused character can separate its tokens.
    joined = "\0".join(texts)
    if joined.count("\0") != len(texts) - 1:
        return [text.replace(SPACE, " ").encode() for text in texts]
    return joined.replace(SPACE, " ").encode().split(b"\0")


def byte_piece(text: str) -> bytes | None:
    """The byte that a token `<0x..>` represents; None for another text."""
    if len(text) == 6 and text.startswith("<0x") and text.endswith(">"):
        try:
            return bytes.fromhex(text[3:5])
        except ValueError:
            return None
    return None
