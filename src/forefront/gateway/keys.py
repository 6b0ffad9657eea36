"""API keys: made once, shown once, kept as hashes in `FOREFRONT_HOME/keys.json`."""

import hmac
import json
import os
import secrets
import string
import time
from dataclasses import asdict, dataclass
from hashlib import sha256
from pathlib import Path
from typing import Literal

MIN_LENGTH = 20
_ALPHABET = string.ascii_letters + string.digits  # a double click selects all of it


class KeyRingError(Exception):
    """A key cannot be used, or the file of keys cannot be read; the text says what to do."""


@dataclass(frozen=True, slots=True)
class Principal:
    """Who asks. `tenant` separates what may be shared between requests from what may not."""

    key_id: str
    tenant: bytes


@dataclass(frozen=True, slots=True)
class StoredKey:
    """What is kept of a key: the SHA-256 of its text, where it came from, and when (seconds since 1970)."""

    id: str
    hash: str
    source: Literal["generated", "environment"]
    created: int


class KeyRing:
    """The keys that open the door. Looking one up takes the same time whether it is nearly right or not at all."""

    def __init__(self, keys: list[StoredKey]) -> None:
        self._by_hash = {key.hash: key for key in keys}

    def __len__(self) -> int:
        return len(self._by_hash)

    def find(self, text: str) -> Principal | None:
        """The holder of the key `text`, or None."""
        digest = _hash(text)
        key = self._by_hash.get(digest)
        if key is None or not hmac.compare_digest(key.hash, digest):
            return None
        return Principal(key.id, key.id.encode())


def open_ring(home: Path, adopted: str | None) -> tuple[KeyRing, str | None]:
    """The keys of `home`, and the text of a new one if none was there.

    `adopted`, the value of `FOREFRONT_API_KEY`, takes the place of the key that an earlier start adopted. Raises
    `KeyRingError` for an unfit one (fewer than 20 characters, or others than visible ASCII).
    """
    path = home / "keys.json"
    keys = _read(path)
    made = None
    if adopted is not None:
        _check(adopted)
        if _hash(adopted) not in {key.hash for key in keys}:
            keys = [key for key in keys if key.source != "environment"]
            keys.append(_stored(adopted, "environment"))
            _write(path, keys)
    elif not keys:
        made = "ff-" + "".join(secrets.choice(_ALPHABET) for _ in range(43))  # 256 bits
        keys = [_stored(made, "generated")]
        _write(path, keys)
    return KeyRing(keys), made


def _check(text: str) -> None:
    if len(text) < MIN_LENGTH or not all("!" <= character <= "~" for character in text):
        raise KeyRingError(f"FOREFRONT_API_KEY must have at least {MIN_LENGTH} visible ASCII characters")


def _hash(text: str) -> str:
    # A plain hash is enough: keys are random or, if adopted, as long as their owner wants them to be.
    return sha256(text.encode(errors="surrogatepass")).hexdigest()


def _stored(text: str, source: Literal["generated", "environment"]) -> StoredKey:
    return StoredKey("key_" + secrets.token_hex(8), _hash(text), source, int(time.time()))


def _read(path: Path) -> list[StoredKey]:
    try:
        return [StoredKey(**entry) for entry in json.loads(path.read_text())]
    except FileNotFoundError:
        return []
    except (OSError, ValueError, TypeError) as error:
        raise KeyRingError(f"{path} cannot be read; repair it, or remove it to get a new key") from error


def _write(path: Path, keys: list[StoredKey]) -> None:
    """Replace the file in one step, readable by its owner alone."""
    try:
        path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
        draft = path.with_suffix(f".{os.getpid()}")
        with os.fdopen(os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "w") as file:
            json.dump([asdict(key) for key in keys], file, indent=1)
        draft.replace(path)
    except OSError as error:
        raise KeyRingError(f"{path} cannot be written: {error.strerror}") from error
