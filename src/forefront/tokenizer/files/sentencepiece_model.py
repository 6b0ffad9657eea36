"""SentencePiece's `tokenizer.model` as the fields that GGUF files have for the same vocabulary.

The file is a protobuf message. Numbers and defaults of fields: `sentencepiece_model.proto`.
"""

import math
import struct
from collections.abc import Iterator, Mapping
from typing import Any, Final

from forefront.tokenizer.errors import TokenizerError
from forefront.tokenizer.vocabulary.token_bytes import SPACE
from forefront.tokenizer.vocabulary.token_table import BYTE, NORMAL, USER_DEFINED

# Fields of a model, of a piece, of the trainer's and of the normaliser's settings.
_PIECES, _TRAINER, _NORMALIZER = 1, 2, 3
_TEXT, _SCORE, _TYPE = 1, 2, 3
_MODEL_TYPE, _SUFFIXES, _UNK, _BOS, _EOS, _PAD = 3, 24, 40, 41, 42, 43
_CHARACTERS, _DUMMY_PREFIX, _MERGES_SPACES, _ESCAPES_SPACES = 2, 3, 4, 5
_UNIGRAM, _BPE = 1, 2
_VARINT, _FIXED64, _LENGTH, _FIXED32 = 0, 1, 2, 5
_KINDS: Final = {_UNIGRAM: "t5", _BPE: "llama"}
_LARGEST: Final = 2**20
_NOT_READABLE: Final = "its tokenizer.model is not a SentencePiece model"

Fields = Iterator[tuple[int, int | bytes]]


def sentencepiece_metadata(data: bytes) -> dict[str, Any]:
    """The fields `tokenizer.ggml.*` of a model. Raises `TokenizerError`."""
    pieces: list[bytes] = []
    trainer: dict[int, int | bytes] = {}
    normalizer: dict[int, int | bytes] = {}
    for number, value in _fields(data):
        if number == _PIECES and isinstance(value, bytes):
            pieces.append(value)
        elif number in (_TRAINER, _NORMALIZER) and isinstance(value, bytes):
            (trainer if number == _TRAINER else normalizer).update(_fields(value))
    if not 2 <= len(pieces) <= _LARGEST:
        raise TokenizerError(f"{_NOT_READABLE}: it has {len(pieces)} pieces")
    fields = _vocabulary(pieces) | _ids(trainer) | _rules(trainer, normalizer)
    return {f"tokenizer.ggml.{name}": value for name, value in fields.items()}


def _vocabulary(pieces: list[bytes]) -> dict[str, Any]:
    texts, scores, types = zip(*map(_piece, pieces), strict=True)
    return {"tokens": list(texts), "scores": list(scores), "token_type": list(types)}


def _piece(data: bytes) -> tuple[str, float, int]:
    """Text, score and type of a piece."""
    fields = dict(_fields(data))
    text, score, kind = fields.get(_TEXT, b""), fields.get(_SCORE, bytes(4)), fields.get(_TYPE, NORMAL)
    if not isinstance(text, bytes) or not isinstance(score, bytes) or len(score) != 4 or kind not in _TYPES:
        raise TokenizerError(f"{_NOT_READABLE}: a piece has fields of other types")
    number: float = _FLOAT.unpack(score)[0]
    try:
        decoded = text.decode()
    except UnicodeDecodeError:
        raise TokenizerError(f"{_NOT_READABLE}: a piece is not UTF-8") from None
    if not math.isfinite(number):
        raise TokenizerError(f"{_NOT_READABLE}: a score is not a number")
    # Pieces of the user are looked for in the text itself.
    return decoded.replace(SPACE, " ") if kind == USER_DEFINED else decoded, number, int(kind)


def _ids(trainer: Mapping[int, int | bytes]) -> dict[str, int]:
    names = {"unknown": (_UNK, 0), "bos": (_BOS, 1), "eos": (_EOS, 2), "padding": (_PAD, -1)}
    return {f"{name}_token_id": _number(trainer, number, default) for name, (number, default) in names.items()}


def _rules(trainer: Mapping[int, int | bytes], normalizer: Mapping[int, int | bytes]) -> dict[str, Any]:
    kind = _number(trainer, _MODEL_TYPE, _UNIGRAM)
    if kind not in _KINDS:
        raise TokenizerError("its tokenizer.model splits into words or characters; known are BPE and unigram")
    if _number(trainer, _SUFFIXES, 0) or not _number(normalizer, _ESCAPES_SPACES, 1):
        raise TokenizerError("its tokenizer.model writes spaces in a way that is not supported")
    rules: dict[str, Any] = {
        "model": _KINDS[kind],
        "add_space_prefix": bool(_number(normalizer, _DUMMY_PREFIX, 1)),
        "remove_extra_whitespaces": bool(_number(normalizer, _MERGES_SPACES, 1)),
    }
    if characters := normalizer.get(_CHARACTERS):
        rules["precompiled_charsmap"] = characters if isinstance(characters, bytes) else b""
    return rules


def _number(fields: Mapping[int, int | bytes], number: int, default: int) -> int:
    """A number of 32 bits with a sign."""
    value = fields.get(number, default)
    if not isinstance(value, int):
        raise TokenizerError(f"{_NOT_READABLE}: a setting is not a number")
    return ((value & 0xFFFF_FFFF) ^ 0x8000_0000) - 0x8000_0000


def _fields(data: bytes) -> Fields:
    """Number and value of each field of a message: a number for a varint, bytes for every other type."""
    place, end = 0, len(data)
    while place < end:
        key, place = _varint(data, place)
        kind = key & 7
        if kind == _VARINT:
            value, place = _varint(data, place)
            yield key >> 3, value
            continue
        if kind == _LENGTH:
            size, place = _varint(data, place)
        elif kind in _SIZES:
            size = _SIZES[kind]
        else:
            raise TokenizerError(_NOT_READABLE)
        start, place = place, place + size
        if place > end:
            raise TokenizerError(f"{_NOT_READABLE}: it is cut off")
        yield key >> 3, data[start:place]


def _varint(data: bytes, place: int) -> tuple[int, int]:
    """The number at `place`, and the place after it."""
    value = 0
    for index, byte in enumerate(data[place : place + 10]):
        value |= (byte & 0x7F) << 7 * index
        if byte < 0x80:
            return value, place + index + 1
    raise TokenizerError(f"{_NOT_READABLE}: it is cut off")


_SIZES: Final = {_FIXED64: 8, _FIXED32: 4}
_TYPES: Final = range(NORMAL, BYTE + 1)
_FLOAT: Final = struct.Struct("<f")
