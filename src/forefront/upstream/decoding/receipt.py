"""The receipt of an upstream that is also a Forefront server."""

from typing import Annotated

import msgspec
from msgspec import Meta

from forefront.wire.receipt import EffectiveSampling

_Name = Annotated[str, Meta(max_length=256)]


class UpstreamReceiptFields(msgspec.Struct, kw_only=True):
    """The conditions of an answer, as the upstream states them."""

    weights: _Name = "unknown"
    quantization: _Name = "unknown"
    engine: _Name = "unknown"
    sampling: EffectiveSampling | None = None


_decoder = msgspec.json.Decoder(UpstreamReceiptFields | None)


def read_receipt(raw: msgspec.Raw) -> UpstreamReceiptFields:
    """The fields of a receipt; all unknown if it is not one."""
    try:
        return _decoder.decode(raw) or UpstreamReceiptFields()
    except (msgspec.DecodeError, RecursionError, UnicodeDecodeError):
        return UpstreamReceiptFields()
