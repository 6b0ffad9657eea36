"""The padded size of a step, chosen so that few different sizes occur.

OpenVINO compiles kernels for each number of tokens and keeps them: 1.4 MiB each, for a model of any size. For
all numbers up to 640 that is 900 MiB, for the 68 padded sizes 95 MiB. Rows of logits are padded in the same way: each
number of rows takes 0.14 MiB.
"""

# The multiple to pad to, by the largest number of tokens for which it holds.
_GRAINS = ((32, 1), (64, 4), (128, 8), (256, 16))
_MAX_GRAIN = 32


def padded_size(count: int) -> int:
    """`count` itself up to 32, which covers most batches of decodes; then the next multiple of 4 up to 64, of 8 up to
    128, of 16 up to 256, and of 32 above.

    Padding is an eighth of `count` at most, 3 % on average.
    """
    grain = next((grain for end, grain in _GRAINS if count <= end), _MAX_GRAIN)
    return -(-count // grain) * grain
