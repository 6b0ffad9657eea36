"""The padded size of a step, chosen so that few different sizes occur.

OpenVINO compiles kernels for each number of tokens and keeps them: 1.4 MiB each, for a model of any size. For
all numbers up to 256 that is 360 MiB, for the padded sizes 90 MiB. Rows of logits are padded in the same way: each
number of rows takes 0.14 MiB.
"""

_EXACT = 32


def padded_size(count: int) -> int:
    """`count` itself up to 32, which covers most batches of decodes; the next multiple of 4 up to 64, of 8 above.

    Padding is a ninth of `count` at most, 3 % on average.
    """
    if count <= _EXACT:
        return count
    grain = 4 if count <= 2 * _EXACT else 8
    return -(-count // grain) * grain
