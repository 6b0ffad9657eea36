"""Runs of tokens whose attention is computed together.

Attention of several new tokens of one sequence first copies the keys and values of the whole context into another
layout, which takes as long as five or six tokens need to read it one by one. A few tokens are therefore computed as
sequences of one token each, in the same blocks: the operation writes all new keys and values before it reads any. Their
attention is that of single steps then, to the last bit.
"""

from collections import abc
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from forefront.engine.model.step_inputs import SequenceInput

# The maximum number of tokens that are faster one by one, with 300 to 900 tokens of context.
MAX_SHORT_RUN: Final = 6


def split_short_runs(sequences: abc.Sequence["SequenceInput"]) -> list["SequenceInput"]:
    """The same tokens in the same order, those of short runs as sequences of their own."""
    parts = list["SequenceInput"]()
    for sequence in sequences:
        if not 1 < len(sequence.tokens) <= MAX_SHORT_RUN:
            parts.append(sequence)
            continue
        parts += [
            sequence._replace(num_computed_tokens=sequence.num_computed_tokens + n, tokens=(token,))
            for n, token in enumerate(sequence.tokens)
        ]
    return parts
