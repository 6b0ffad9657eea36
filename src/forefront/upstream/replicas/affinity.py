"""Affinity of conversations to the replica whose KV cache has their prefix, by rendezvous hashing."""

from collections.abc import Sequence
from hashlib import blake2b
from itertools import islice
from typing import Final

from forefront.fairness.tenant import Tenant
from forefront.wire.completions.request import ChatRequest, CompletionRequest

# The hashed beginning of a conversation: the number of messages, and the characters of each.
_MESSAGES: Final = 8
_CHARACTERS: Final = 4096
# A prompt without messages grows at its end; a shorter one has no useful prefix.
_PROMPT_CHARACTERS: Final = 512
_PROMPT_TOKENS: Final = 128


def conversation_key(request: ChatRequest | CompletionRequest, tenant: Tenant) -> bytes | None:
    """A hash of the tenant and of the beginning of the conversation, which all of its turns share: the messages up to
    the first of the user. None for a prompt without a useful prefix."""
    digest = blake2b(len(tenant.salt).to_bytes(4, "big") + tenant.salt, digest_size=16)
    if isinstance(request, ChatRequest):
        for message in islice(request.messages, _MESSAGES):
            digest.update(f"\0{message.role}\0".encode() + _bytes(message.text[:_CHARACTERS]))
            if message.role == "user":
                break
        return digest.digest()
    prompt = request.prompts[0]
    if isinstance(prompt, str):
        if len(prompt) < _PROMPT_CHARACTERS:
            return None
        digest.update(_bytes(prompt[:_PROMPT_CHARACTERS]))
    elif len(prompt) < _PROMPT_TOKENS:
        return None
    else:
        digest.update(b"".join(token.to_bytes(4, "big") for token in prompt[:_PROMPT_TOKENS]))
    return digest.digest()


def replica_seed(base_url: str) -> bytes:
    """The seed of a replica, independent of its position in the settings."""
    return blake2b(base_url.encode(), digest_size=16).digest()


def rank(key: bytes, seeds: Sequence[bytes]) -> list[int]:
    """The positions of the seeds, in the order of a conversation's preference.

    Without one of the replicas the order of the others stays the same.
    """
    scores = [blake2b(key, key=seed, digest_size=8).digest() for seed in seeds]
    return sorted(range(len(seeds)), key=scores.__getitem__, reverse=True)


def _bytes(text: str) -> bytes:
    return text.encode("utf-8", "surrogatepass")
