"""The vocabulary of a GGUF file: `tokenizer.ggml.*`, checked."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

import numpy as np
import numpy.typing as npt

from forefront.tokenizer.errors import TokenizerError

_KEYS: Final = "tokenizer.ggml."
NORMAL, UNKNOWN, CONTROL, USER_DEFINED, UNUSED, BYTE = range(1, 7)
_TYPES: Final = frozenset(range(7))
_LARGEST: Final = 2**24


@dataclass(frozen=True, slots=True)
class TokenTable:
    """`texts[id]` as in the file, `ids` the reverse; `types[id]` is one of the constants above; `scores` is empty for
    models without."""

    texts: Sequence[str]
    ids: dict[str, int]
    types: npt.NDArray[np.int64]
    scores: Sequence[float]

    def of_type(self, *types: int) -> list[int]:
        """The ids of tokens of these types, in order."""
        tokens: list[int] = np.flatnonzero(np.isin(self.types, types)).tolist()
        return tokens


def setting(metadata: Mapping[str, Any], name: str, kind: type, default: Any) -> Any:
    """`tokenizer.ggml.NAME`. Raises `TokenizerError` for a value of another type."""
    value = metadata.get(_KEYS + name)
    if value is None:
        return default
    if not isinstance(value, kind) or (kind is int and isinstance(value, bool)):
        raise TokenizerError(f"its {_KEYS}{name} is not {_KINDS[kind]}")
    return value


def token_setting(metadata: Mapping[str, Any], name: str, size: int, default: int | None = None) -> int | None:
    """The id under `tokenizer.ggml.NAME_token_id`. Raises `TokenizerError` for one that is outside the vocabulary."""
    token: int | None = setting(metadata, f"{name}_token_id", int, None)
    if token is None:
        return default if default is not None and default < size else None
    # Converters write the largest number, or -1, for a missing token.
    if token in (-1, 2**32 - 1):
        return None
    if not 0 <= token < size:
        raise TokenizerError(f"its {_KEYS}{name}_token_id is {token}, but there are {size} tokens")
    return token


def read_table(metadata: Mapping[str, Any]) -> TokenTable:
    """The vocabulary. Raises `TokenizerError`."""
    texts = read_texts(metadata, "tokens")
    size = len(texts)
    if not 2 <= size <= _LARGEST:
        raise TokenizerError(f"its vocabulary has {size} tokens")
    if "" in texts:
        texts = [text or f"[EMPTY_{token}]" for token, text in enumerate(texts)]
    ids = dict(zip(texts, range(size), strict=True))
    if len(ids) < size:
        token = next(token for token, text in enumerate(texts) if ids[text] != token)
        raise TokenizerError(f"its tokens {token} and {ids[texts[token]]} are the same text {texts[token][:80]!r}")
    types = _numbers(metadata, "token_type", size) or [NORMAL] * size
    if not set(types) <= _TYPES:
        raise TokenizerError(f"its {_KEYS}token_type has numbers that are no types")
    return TokenTable(texts, ids, np.array(types, np.int64), _numbers(metadata, "scores", size))


def read_texts(metadata: Mapping[str, Any], name: str) -> list[str]:
    """The texts of an array. Raises `TokenizerError` if it is missing, or something else."""
    values = metadata.get(_KEYS + name)
    if values is None:
        raise TokenizerError(f"it has no {_KEYS}{name}")
    if not isinstance(values, Sequence) or isinstance(values, str | bytes):
        raise TokenizerError(f"its {_KEYS}{name} is not a list of texts")
    kinds = set(map(type, values))
    if not kinds <= {str, bytes}:
        raise TokenizerError(f"its {_KEYS}{name} is not a list of texts")
    try:
        texts = (
            [value.decode() if isinstance(value, bytes) else value for value in values] if bytes in kinds else values
        )
        "".join(texts).encode()  # refuses surrogates, which represent invalid bytes
        return list(texts)
    except UnicodeError:
        raise TokenizerError(f"its {_KEYS}{name} has a text that is not UTF-8") from None


def _numbers(metadata: Mapping[str, Any], name: str, size: int) -> list[Any]:
    values = metadata.get(_KEYS + name)
    if values is None:
        return []
    listed = values.tolist() if hasattr(values, "tolist") else values
    if not isinstance(listed, list | tuple) or not set(map(type, listed)) <= {int, float}:
        raise TokenizerError(f"its {_KEYS}{name} is not a list of numbers")
    if len(listed) != size:
        raise TokenizerError(f"its {_KEYS}{name} has {len(listed)} entries, but there are {size} tokens")
    return list(listed)


_KINDS: Final[dict[type, str]] = {int: "a number", bool: "true or false", str: "a text"}
