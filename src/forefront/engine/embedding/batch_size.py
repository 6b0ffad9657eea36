"""The sizes of batches of sequences. OpenVINO compiles kernels for each size and keeps them, so there are few."""

from typing import Final

# Tokens of one forward pass, padding included. More are no faster, and other tenants wait for the running pass.
_TOKENS: Final = 2048
_COUNTS: Final = (1, 2, 3, 4, 6, 8, 12, 16, 24, 32, 48, 64)
# Tokens between two lengths, at least; from eight times that on, an eighth of the power of two below.
_GRAIN: Final = 16


def padded_length(length: int) -> int:
    """The length of a batch whose longest sequence has `length` tokens: up to an eighth more from 128 on."""
    grain = max(_GRAIN, (1 << max(length - 1, 1).bit_length() - 1) // 8)
    return -(-length // grain) * grain


def padded_count(count: int) -> int:
    """The number of rows of a batch of `count` sequences, up to a third more."""
    return next((size for size in _COUNTS if size >= count), count)


def max_sequences(length: int) -> int:
    """The number of sequences of a padded length that fit into one batch without padding rows."""
    return max((size for size in _COUNTS if size * length <= _TOKENS), default=1)
