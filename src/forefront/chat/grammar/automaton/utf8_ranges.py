"""Ranges of characters as ranges of the bytes of their UTF-8 forms."""

from collections.abc import Iterable


def utf8_blocks(low: int, high: int) -> Iterable[tuple[bytes, bytes]]:
    """The range as blocks in which each byte of the UTF-8 form has its own range."""
    for last in (0x7F, 0x7FF, 0xD7FF, 0xDFFF, 0xFFFF, 0x10FFFF):
        if low > last or low > high:
            continue
        top = min(high, last)
        if not 0xD800 <= low <= 0xDFFF:
            yield from _split_blocks(chr(low).encode(), chr(top).encode())
        low = last + 1


def _split_blocks(low: bytes, high: bytes) -> Iterable[tuple[bytes, bytes]]:
    size = len(low)
    prefix = next((i for i in range(size) if low[i] != high[i]), size)
    tail = size - prefix - 1
    if tail <= 0 or (low[prefix + 1 :] == b"\x80" * tail and high[prefix + 1 :] == b"\xbf" * tail):
        yield low, high
        return
    head, first, last = low[:prefix], low[prefix], high[prefix]
    if low[prefix + 1 :] != b"\x80" * tail:
        yield from _split_blocks(low, head + bytes([first]) + b"\xbf" * tail)
        first += 1
    ends_early = high[prefix + 1 :] != b"\xbf" * tail
    if first <= last - ends_early:
        yield head + bytes([first]) + b"\x80" * tail, head + bytes([last - ends_early]) + b"\xbf" * tail
    if ends_early:
        yield from _split_blocks(head + bytes([last]) + b"\x80" * tail, high)
