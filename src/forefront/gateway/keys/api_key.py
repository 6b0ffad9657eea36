"""The text of an API key: generated once, shown once, stored as a hash."""

import secrets
import string
from hashlib import sha256
from typing import Final

MIN_LENGTH: Final = 20
_ALPHABET = string.ascii_letters + string.digits  # without punctuation, so that a double click selects the whole key


class InvalidApiKeyError(Exception):
    """A text cannot be used as an API key. The message gives the remedy."""


def generate_key() -> str:
    """A new key: `ff-` and 43 random characters, 256 bits."""
    return "ff-" + "".join(secrets.choice(_ALPHABET) for _ in range(43))


def hash_key(text: str) -> str:
    """The stored form of a key: SHA-256 in hexadecimal. Generated keys are random, so a slow hash would add nothing."""
    return sha256(text.encode(errors="surrogatepass")).hexdigest()


def validate_key(text: str) -> None:
    """Raise `InvalidApiKeyError` unless `text` has at least 20 visible ASCII characters, no others, and no quotation
    marks around them."""
    if len(text) < MIN_LENGTH or not all("!" <= character <= "~" for character in text):
        raise InvalidApiKeyError(f"FOREFRONT_API_KEY must have at least {MIN_LENGTH} visible ASCII characters")
    if text[0] == text[-1] and text[0] in "\"'":  # `docker run --env-file` keeps quotation marks
        raise InvalidApiKeyError("FOREFRONT_API_KEY must not be in quotation marks, which would be part of the key")
