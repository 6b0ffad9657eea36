"""How many tokens a step is computed with: those that it has, and idle ones such that few different numbers occur.

OpenVINO makes kernels for every number of tokens when it first sees it, and keeps them: 1.4 MiB each, whatever the
model's size. For every number up to 256 that is 360 MiB, and 90 MiB for those that are left here. Rows of logits are
filled up in the same way: each number of them is another 0.14 MiB.
"""

_EXACT = 32


def width(tokens: int) -> int:
    """The number itself up to 32, as most batches of decodes are; the next multiple of 4 up to 64, of 8 from there.

    The idle tokens are a ninth at most, 3 % on average.
    """
    if tokens <= _EXACT:
        return tokens
    grain = 4 if tokens <= 2 * _EXACT else 8
    return -(-tokens // grain) * grain
