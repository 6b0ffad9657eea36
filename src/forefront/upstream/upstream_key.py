"""The API key of an upstream, which settings reference but never contain."""

from collections.abc import Mapping
from pathlib import Path
from typing import Final

_MAX_LENGTH: Final = 4096


def read_upstream_key(reference: str, environment: Mapping[str, str]) -> str:
    """The key that `env:NAME` or `file:PATH` names. Raises `ValueError`, whose text is the end of a sentence."""
    kind, _, name = reference.partition(":")
    if kind == "env":
        key = environment.get(name, "").strip()
        if not key:
            raise ValueError(f"the environment variable {name} is not set")
    else:
        path = Path(name).expanduser()
        try:
            with path.open("rb") as file:
                key = file.read(_MAX_LENGTH + 1).decode("ascii").strip()
        except OSError as error:
            raise ValueError(f"{path} cannot be read: {error.strerror}") from None
        except UnicodeDecodeError:
            raise ValueError(f"{path} holds no key") from None
        if not key:
            raise ValueError(f"{path} is empty")
    if len(key) > _MAX_LENGTH or not key.isascii() or not key.isprintable() or " " in key:
        raise ValueError("a key has printable ASCII characters without spaces")
    return key
