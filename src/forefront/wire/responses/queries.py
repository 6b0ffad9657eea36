"""Queries of requests for stored responses."""

from collections.abc import Iterable
from typing import Annotated, Any, Final, Literal, TypeVar

import msgspec
from msgspec import Meta

from forefront.wire.admin.parse import named_error
from forefront.wire.errors import RequestError
from forefront.wire.responses.items import Id
from forefront.wire.responses.request import Include

T = TypeVar("T")
_LISTS: Final = {"include[]": "include"}


class RetrieveQuery(msgspec.Struct, kw_only=True, forbid_unknown_fields=True):
    """With `stream`, the events after the number `starting_after` are sent, for a response in the background that was
    created with `stream`. `include` adds nothing: a response has what its creation included."""

    stream: bool = False
    starting_after: Annotated[int, Meta(ge=0, lt=2**31)] | None = None
    include_obfuscation: Literal["false"] | None = None
    include: Annotated[list[Include], Meta(max_length=16)] | None = None


class ItemsQuery(msgspec.Struct, kw_only=True, forbid_unknown_fields=True):
    """Up to `limit` items, after or before the item of an id, the latest first unless `order` is `asc`. `include` adds
    nothing."""

    after: Id | None = None
    before: Id | None = None
    limit: Annotated[int, Meta(ge=1, le=100)] = 20
    order: Literal["asc", "desc"] = "desc"
    include: Annotated[list[Include], Meta(max_length=16)] | None = None


class IncludeQuery(msgspec.Struct, kw_only=True, forbid_unknown_fields=True):
    """`include` adds nothing."""

    include: Annotated[list[Include], Meta(max_length=16)] | None = None


def parse_retrieve_query(pairs: Iterable[tuple[str, str]]) -> RetrieveQuery:
    """The query of `GET /v1/responses/{id}`. Raises `RequestError` 422."""
    query = _parse(pairs, RetrieveQuery)
    if query.starting_after is not None and not query.stream:
        raise RequestError("invalid_value", "`starting_after` needs `stream` to be true.", param="starting_after")
    return query


def parse_items_query(pairs: Iterable[tuple[str, str]]) -> ItemsQuery:
    """The query of `GET /v1/responses/{id}/input_items` and of a conversation's items. Raises `RequestError` 422."""
    return _parse(pairs, ItemsQuery)


def parse_include_query(pairs: Iterable[tuple[str, str]]) -> IncludeQuery:
    """The query of other requests for items. Raises `RequestError` 422."""
    return _parse(pairs, IncludeQuery)


def _parse(pairs: Iterable[tuple[str, str]], kind: type[T]) -> T:
    fields: dict[str, Any] = {}
    for name, value in pairs:
        name = _LISTS.get(name, name)
        if name == "include":
            fields.setdefault(name, []).extend(part for part in value.split(",") if part)
        elif name in fields:
            raise RequestError("invalid_value", f"`{name[:64]}` must be sent once.", param=name[:64])
        else:
            fields[name] = value
    try:
        return msgspec.convert(fields, kind, strict=False)
    except msgspec.ValidationError as error:
        raise named_error(error, kind) from None
