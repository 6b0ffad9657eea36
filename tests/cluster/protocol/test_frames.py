"""Processes of different versions of the protocol refuse each other."""

import hashlib
from typing import get_args

from forefront.cluster.protocol import frames


def test_a_change_of_a_message_is_another_version_of_the_protocol() -> None:
    messages = get_args(frames.FromServer | frames.FromReplica)
    parts = (frames.Resumed, frames.InputTokens, frames.TokenScore, frames.PromptScore, frames.Delta)
    shapes = sorted((one.__struct_config__.tag or one.__name__, one.__struct_fields__) for one in (*messages, *parts))
    digest = hashlib.sha256(repr(shapes).encode()).hexdigest()[:16]
    # If the digest differs, raise `PROTOCOL` and change both values.
    assert (frames.PROTOCOL, digest) == (2, "fae9effe698a168d")
