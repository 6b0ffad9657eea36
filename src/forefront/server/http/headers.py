"""ASGI headers: pairs of bytes, names in lower case.

Each request looks up several. Starlette's mappings take several times as long.
"""

from collections.abc import Mapping
from typing import Final

from starlette.types import Scope

# The key of the headers by name in a request's scope.
_INDEX: Final = "forefront.headers"

# Members of a list that are read. A header of 64 KiB holds 32,000, which take 20 ms.
_MAX_MEMBERS: Final = 64

RawHeaders = list[tuple[bytes, bytes]]


def header(scope: Scope, name: bytes, default: str = "") -> str:
    """The first value of the request header `name`, which must be in lower case."""
    index: dict[bytes, bytes] | None = scope.get(_INDEX)
    if index is None:
        index = scope[_INDEX] = dict(reversed(scope["headers"]))  # the first value of a name is the last one here
    value = index.get(name)
    return default if value is None else value.decode("latin-1")


def list_members(value: str) -> list[str]:
    """The first members of a header whose value is a list (RFC 9110, 5.6.1). Further ones are ignored."""
    return [member.strip() for member in value.split(",", _MAX_MEMBERS)[:_MAX_MEMBERS]]


def raw(headers: Mapping[str, str]) -> RawHeaders:
    """Response headers, with names in lower case, as ASGI takes them."""
    return [(name.encode("latin-1"), value.encode("latin-1")) for name, value in headers.items()]
