"""The text of a key: made once, shown once, kept as a hash."""

import secrets
import string
from hashlib import sha256
from typing import Final

MIN_LENGTH: Final = 20
_ALPHABET = string.ascii_letters + string.digits  # a double click selects all of it


class UnfitKeyError(Exception):
    """A text cannot be a key; the message says what to do."""


def make_key() -> str:
    """A new key: `ff-` and 256 bits."""
    return "ff-" + "".join(secrets.choice(_ALPHABET) for _ in range(43))


def hash_key(text: str) -> str:
    """What is kept of a key. A plain hash is enough: keys are random or, if adopted, as long as their owner wants."""
    return sha256(text.encode(errors="surrogatepass")).hexdigest()


def check_key(text: str) -> None:
    """Raise `UnfitKeyError` unless `text` can be a key: 20 visible ASCII characters or more."""
    if len(text) < MIN_LENGTH or not all("!" <= character <= "~" for character in text):
        raise UnfitKeyError(f"FOREFRONT_API_KEY must have at least {MIN_LENGTH} visible ASCII characters")
