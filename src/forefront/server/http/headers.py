"""ASGI headers: pairs of bytes, names in lower case.

Each request looks up several. Starlette's mappings take several times as long.
"""

from collections.abc import Mapping

from starlette.types import Scope

RawHeaders = list[tuple[bytes, bytes]]


def header(scope: Scope, name: bytes, default: str = "") -> str:
    """The first value of the request header `name`, which must be in lower case."""
    for known, value in scope["headers"]:
        if known == name:
            text: str = value.decode("latin-1")
            return text
    return default


def raw(headers: Mapping[str, str]) -> RawHeaders:
    """Response headers, with names in lower case, as ASGI takes them."""
    return [(name.encode("latin-1"), value.encode("latin-1")) for name, value in headers.items()]
