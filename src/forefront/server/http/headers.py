"""Headers as ASGI has them: pairs of bytes, names in lower case.

Every request looks for several, and Starlette's mappings take several times as long to make and to ask.
"""

from collections.abc import Mapping

from starlette.types import Scope

RawHeaders = list[tuple[bytes, bytes]]


def header(scope: Scope, name: bytes, default: str = "") -> str:
    """The first value that the client sent under `name`, which must be in lower case."""
    for known, value in scope["headers"]:
        if known == name:
            text: str = value.decode("latin-1")
            return text
    return default


def raw(headers: Mapping[str, str]) -> RawHeaders:
    """The server's own headers, with names in lower case, as they are sent."""
    return [(name.encode("latin-1"), value.encode("latin-1")) for name, value in headers.items()]
