"""The base of every response type, a struct that can also be read as a mapping; and the JSON of many of them."""

from collections.abc import Iterable, Iterator
from typing import Any, TypeVar, overload

import msgspec

T = TypeVar("T")


class Record(msgspec.Struct, kw_only=True):
    """A typed object whose fields read as attributes and as keys: `r.content` and `r["content"]` are the same.

    Code in the wild reads chat completions both ways, so the SDK's results allow both. A field that is absent raises
    `AttributeError` one way and `KeyError` the other, as each kind of reader expects.
    """

    def __getitem__(self, key: str) -> Any:
        if key in self.__struct_fields__:
            return getattr(self, key)
        raise KeyError(key)

    def __contains__(self, key: object) -> bool:
        return key in self.__struct_fields__

    def __iter__(self) -> Iterator[str]:
        return iter(self.__struct_fields__)

    def keys(self) -> tuple[str, ...]:
        """The names of the fields, in the order of the wire format."""
        return self.__struct_fields__

    @overload
    def get(self, key: str) -> Any: ...
    @overload
    def get(self, key: str, default: T) -> Any | T: ...
    def get(self, key: str, default: Any = None) -> Any:
        """The field's value, or `default` when there is no such field (as `dict.get`)."""
        return getattr(self, key) if key in self.__struct_fields__ else default

    def to_dict(self) -> dict[str, Any]:
        """Plain dicts, lists and scalars, ready for `json.dumps`."""
        plain: dict[str, Any] = msgspec.to_builtins(self)
        return plain


class TaggedRecord(Record, kw_only=True, tag_field="type"):
    """A record whose kind is in its first field `type`, so that one of several kinds can be read. Each subclass has its
    `tag`."""

    @property
    def type(self) -> str:
        """The kind."""
        return str(self.__struct_config__.tag)

    def __getitem__(self, key: str) -> Any:
        return self.type if key == "type" else super().__getitem__(key)

    def __contains__(self, key: object) -> bool:
        return key == "type" or super().__contains__(key)

    def __iter__(self) -> Iterator[str]:
        return iter(self.keys())

    def keys(self) -> tuple[str, ...]:
        """See `Record.keys`."""
        return ("type", *self.__struct_fields__)

    def get(self, key: str, default: Any = None) -> Any:
        """See `Record.get`."""
        return self.type if key == "type" else super().get(key, default)


def encode_records(records: Iterable[msgspec.Struct]) -> list[Any]:
    """The JSON of each record, in place of the records of a list. One call for a long list would keep the interpreter
    lock to its end."""
    return [msgspec.Raw(msgspec.json.encode(record)) for record in records]
