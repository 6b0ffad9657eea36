"""Proofs of a replica's secret: the secret itself is never sent."""

import hashlib
import hmac
import secrets

NONCE_BYTES = 32


def new_nonce() -> bytes:
    """Random bytes for one proof."""
    return secrets.token_bytes(NONCE_BYTES)


def proof(secret: bytes, role: bytes, nonce: bytes) -> bytes:
    """The proof of `secret` by a `role` (`server` or `replica`) for the other side's nonce."""
    return hmac.digest(secret, role + b"\0" + nonce, hashlib.sha256)


def is_proof(given: bytes, secret: bytes, role: bytes, nonce: bytes) -> bool:
    """Whether `given` is the proof of `secret`."""
    return len(nonce) == NONCE_BYTES and hmac.compare_digest(given, proof(secret, role, nonce))
