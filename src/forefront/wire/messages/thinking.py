"""Reasoning in the `signature` of a thinking block, for clients that do not get its text."""

import base64
import binascii
from typing import Final

from forefront.wire.errors import RequestError

# The signature of a block that has its text. It is not checked.
SIGNATURE: Final = "forefront"
# The beginning of a signature that holds the text, which is encoded, not secret.
_ENCODED: Final = "forefront:"


def encode_thinking(text: str) -> str:
    """The signature that holds a text."""
    return _ENCODED + base64.b64encode(text.encode("utf-8", "surrogatepass")).decode()


def decode_thinking(signature: str, param: str) -> str:
    """The text of a signature. Raises `RequestError` 422 for one that this program has not made."""
    prefix, encoded = signature[: len(_ENCODED)], signature[len(_ENCODED) :]
    try:
        if prefix != _ENCODED:
            raise ValueError
        return base64.b64decode(encoded, validate=True).decode("utf-8")
    except (ValueError, binascii.Error):
        raise RequestError("invalid_value", f"`{param}` was not made by this server.", param=param) from None
