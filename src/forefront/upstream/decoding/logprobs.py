"""Log-probabilities in the forms in which upstreams send them."""

import math
import re
from typing import Final

import msgspec
from msgspec import Struct

from forefront.wire.completions.response import TokenLogprob, TopLogprob

# A token with an incomplete character: `bytes:\xe2\x82`.
_BYTES: Final = re.compile(r"(bytes:)?(\\x[0-9a-f]{2})+")
_LOWEST: Final = -9999.0


class _Top(Struct):
    token: str = ""
    logprob: float | None = None
    bytes: list[int] | None = None


class _Token(Struct):
    token: str = ""
    logprob: float | None = None
    bytes: list[int] | None = None
    top_logprobs: list[_Top] | None = None


class _Logprobs(Struct):
    """`content` is the form of chat completions; the rest that of completions."""

    content: list[_Token] | None = None
    tokens: list[str] | None = None
    token_logprobs: list[float | None] | None = None
    top_logprobs: list[dict[str, float | None] | None] | None = None


_decoder = msgspec.json.Decoder(_Logprobs | None)


def read_logprobs(raw: msgspec.Raw) -> list[TokenLogprob] | None:
    """The tokens of a chunk's log-probabilities; None where it has none. Raises `ValueError`."""
    try:
        found = _decoder.decode(raw)
    except (msgspec.DecodeError, RecursionError, UnicodeDecodeError) as error:
        raise ValueError(str(error)[:200]) from None
    if found is None:
        return None
    if found.content is not None:
        return [_token(token) for token in found.content]
    if found.tokens is not None:
        return _from_lists(found)
    return None


def _token(token: _Token) -> TokenLogprob:
    tops = [
        TopLogprob(token=top.token, logprob=_number(top.logprob), bytes=_bytes(top.token, top.bytes))
        for top in token.top_logprobs or ()
    ]
    own = _bytes(token.token, token.bytes)
    return TokenLogprob(token=token.token, logprob=_number(token.logprob), bytes=own, top_logprobs=tops)


def _from_lists(found: _Logprobs) -> list[TokenLogprob]:
    tokens, values, tops = found.tokens or [], found.token_logprobs or [], found.top_logprobs or []
    read = []
    for index, text in enumerate(tokens):
        value = values[index] if index < len(values) else None
        alternatives = tops[index] if index < len(tops) else None
        read.append(
            TokenLogprob(
                token=text,
                # The first token of a prompt has none.
                logprob=math.nan if value is None else value,
                bytes=_bytes(text, None),
                top_logprobs=[
                    TopLogprob(token=other, logprob=_number(number), bytes=_bytes(other, None))
                    for other, number in (alternatives or {}).items()
                ],
            )
        )
    return read


def _number(value: float | None) -> float:
    return _LOWEST if value is None else value


def _bytes(text: str, given: list[int] | None) -> list[int]:
    if given is not None and all(0 <= byte <= 255 for byte in given):
        return given
    if _BYTES.fullmatch(text):
        return [int(code, 16) for code in re.findall(r"\\x([0-9a-f]{2})", text)]
    return list(text.encode())
