"""Encryption of stored contents with AES-256-GCM."""

import base64
import binascii
import hashlib
import secrets
from collections.abc import Sequence
from typing import Final

from forefront.gateway.store.database import StoreError

VARIABLE: Final = "FOREFRONT_ENCRYPTION_KEY"
_KEY_SIZE: Final = 32  # bytes
_NONCE_SIZE: Final = 12  # bytes


class MissingKeyError(StoreError):
    """Content was encrypted with a key that this server does not have."""


class ContentCipher:
    """Encrypts with the first of `keys` and decrypts with any of them. Without keys, contents are stored as they are.

    Raises `StoreError` for keys while the package `cryptography` is missing.
    """

    def __init__(self, keys: Sequence[bytes] = ()) -> None:
        self.key_name = _name(keys[0]) if keys else None
        self._ciphers = {}
        if keys:
            try:
                from cryptography.hazmat.primitives.ciphers.aead import AESGCM
            except ModuleNotFoundError:
                text = f"{VARIABLE} needs one more package: pip install 'forefront[encryption]'"
                raise StoreError(text) from None
            self._ciphers = {_name(key): AESGCM(key) for key in keys}

    def encrypt(self, content: bytes, place: str) -> bytes:
        """The content as it is stored. `place` is authenticated with it: it decrypts at no other place."""
        if self.key_name is None:
            return content
        nonce = secrets.token_bytes(_NONCE_SIZE)
        return nonce + self._ciphers[self.key_name].encrypt(nonce, content, place.encode())

    def decrypt(self, content: bytes, place: str, key_name: str | None) -> bytes:
        """The content that was stored with that key. Raises `StoreError` without the key, and for altered content."""
        if key_name is None:
            return content
        self.require(key_name)
        from cryptography.exceptions import InvalidTag

        try:
            return self._ciphers[key_name].decrypt(content[:_NONCE_SIZE], content[_NONCE_SIZE:], place.encode())
        except (InvalidTag, ValueError):
            raise StoreError("encrypted content of the store has been altered") from None

    def require(self, key_name: str | None) -> None:
        """Raise `StoreError` unless contents of that key can be decrypted."""
        if key_name is not None and key_name not in self._ciphers:
            state = f"is another key ({self.key_name})" if self._ciphers else "is not set"
            text = f"stored contents are encrypted with the key {key_name}, but {VARIABLE} {state}"
            raise MissingKeyError(text)


def parse_keys(text: str) -> list[bytes]:
    """Keys in base64, separated by commas. Raises `StoreError` without showing them."""
    return [_parse_key(part.strip()) for part in text.split(",") if part.strip()]


def _parse_key(text: str) -> bytes:
    try:
        key = base64.b64decode(text.replace("-", "+").replace("_", "/"), validate=True)
    except (ValueError, binascii.Error):
        key = b""
    if len(key) != _KEY_SIZE:
        raise StoreError(f"{VARIABLE} must be {_KEY_SIZE} random bytes in base64: openssl rand -base64 {_KEY_SIZE}")
    return key


def _name(key: bytes) -> str:
    """A name that does not reveal the key."""
    return hashlib.sha256(b"forefront key name\n" + key).hexdigest()[:8]
