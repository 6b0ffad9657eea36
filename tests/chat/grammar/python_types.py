"""Types of Python from which libraries make JSON schemas: those of Pydantic, dataclasses, typed dicts, attrs."""

# ruff: noqa: E501

import collections
import dataclasses
import datetime
import decimal
import enum
import fractions
import ipaddress
import pathlib
import re
import uuid
from collections.abc import Mapping, Sequence
from typing import Annotated, Any, Generic, Literal, NamedTuple, NewType, NotRequired, Optional, TypeVar, Union

import attrs
import pydantic
from pydantic import BaseModel, ConfigDict, Field, RootModel
from typing_extensions import TypedDict

T = TypeVar("T")
UserId = NewType("UserId", int)


class Color(enum.Enum):
    RED = "red"
    GREEN = "green"


class Level(enum.IntEnum):
    LOW = 1
    HIGH = 9


class Kind(enum.StrEnum):
    A = "a"
    B = "b"


class Mixed(enum.Enum):
    TEXT = "x"
    NUMBER = 4
    NOTHING = None


class Point(NamedTuple):
    x: int
    y: float = 0.5


class Movie(TypedDict):
    title: str
    year: NotRequired[int]


class Partial(TypedDict, total=False):
    name: str
    tags: list[str]


@dataclasses.dataclass
class Item:
    name: str
    price: float = 1.0
    tags: list[str] = dataclasses.field(default_factory=list)


@dataclasses.dataclass
class Node:
    value: int
    next: Optional["Node"] = None


@attrs.define
class Box:
    width: int
    label: str = "x"
    inner: list[int] = attrs.field(factory=list)


class Address(BaseModel):
    street: str
    zip_code: Annotated[str, Field(pattern=r"^\d{5}(-\d{4})?$")]


class User(BaseModel):
    id: int
    name: str = "Ann"
    email: Annotated[str, Field(json_schema_extra={"format": "email"})]
    address: Address
    friends: list["User"] = []


class Closed(BaseModel):
    model_config = ConfigDict(extra="forbid")
    a: int
    b: str | None = None


class Open(BaseModel):
    model_config = ConfigDict(extra="allow")
    a: int


class Aliased(BaseModel):
    name: Annotated[str, Field(alias="fullName")]
    size: Annotated[int, Field(validation_alias="the size", ge=0)] = 0


class Cat(BaseModel):
    kind: Literal["cat"]
    lives: int


class Dog(BaseModel):
    kind: Literal["dog"]
    barks: bool


class Pet(BaseModel):
    pet: Annotated[Cat | Dog, Field(discriminator="kind")]


class Page(BaseModel, Generic[T]):
    items: list[T]
    total: Annotated[int, Field(ge=0)]


class Tree(BaseModel):
    name: str
    children: list["Tree"] = []


class Json(BaseModel):
    value: Mapping[str, "Json"] | list["Json"] | str | int | bool | None


class Expression(BaseModel):
    left: Union["Expression", int]
    operator: Literal["+", "-", "*"]
    right: Union["Expression", int]


class Numbers(RootModel[list[int]]):
    pass


class Empty(BaseModel):
    pass


class Computed(BaseModel):
    width: int

    @pydantic.computed_field
    def area(self) -> int:
        return self.width**2


class Constrained(BaseModel):
    code: Annotated[str, Field(pattern="^[A-Z]{2}-[0-9]+$", max_length=8)]
    ratio: Annotated[float, Field(gt=0, lt=1)]
    count: Annotated[int, Field(multiple_of=5, ge=0, le=100)]
    scores: Annotated[list[Annotated[int, Field(ge=0, le=10)]], Field(min_length=1, max_length=3)]
    unique: set[Color]
    mapping: Annotated[dict[str, int], Field(max_length=2)]


_ANY_DATE = "the schema is that of any date or time"
_ANY_URL = "the schema does not name the scheme of the URL"
_ANY_TEXT = "the schema allows any text"
# Types whose schema says less than the type: a value of the schema may not be one of the type.
WIDER_SCHEMAS: dict[str, str] = {
    **dict.fromkeys(
        ("NaiveDatetime", "PastDate", "FutureDate", "PastDatetime", "FutureDatetime", "condate"), _ANY_DATE
    ),
    **dict.fromkeys(("FileUrl", "FtpUrl", "WebsocketUrl", "PostgresDsn", "RedisDsn", "MongoDsn"), _ANY_URL),
    **dict.fromkeys(("Decimal", "condecimal", "Decimal ge", "Fraction", "complex", "Json", "Json[int]"), _ANY_TEXT),
    **dict.fromkeys(("FilePath", "DirectoryPath", "NewPath", "ImportString"), "the schema does not say what exists"),
    "Pattern": "the schema does not say what a regular expression is",
    "dict[int, str]": "the schema does not say that keys are numbers",
    "ByteSize": "the schema does not name the units",
    "Literal enum": "Pydantic takes no JSON for it",
    "set": "the schema does not say that items are hashable",
    "frozenset": "the schema does not say that items are hashable",
}

PYTHON_TYPES: dict[str, Any] = {
    "str": str, "int": int, "float": float, "bool": bool, "None": type(None), "Any": Any, "object": object,
    "bytes": bytes, "list": list, "dict": dict, "tuple": tuple, "set": set, "frozenset": frozenset,
    "list[int]": list[int], "dict[str, int]": dict[str, int], "dict[int, str]": dict[int, str],
    "dict[Color, int]": dict[Color, int], "dict[Literal]": dict[Literal["a", "b"], int],
    "dict[UUID, str]": dict[uuid.UUID, str], "dict[date, int]": dict[datetime.date, int],
    "dict[constrained, int]": dict[Annotated[str, Field(pattern="^k[0-9]+$")], int],
    "dict min 1": Annotated[dict[str, int], Field(min_length=1)],
    "tuple[int, str]": tuple[int, str], "tuple[int, ...]": tuple[int, ...], "tuple[()]": tuple[()],
    "set[int]": set[int], "Set of strings": set[str], "set[bool]": set[bool], "set[Color]": set[Color],
    "set[Literal]": set[Literal["a", "b", "c", "d", "e"]],
    "frozenset[Kind]": frozenset[Kind], "Sequence[float]": Sequence[float], "Mapping": Mapping[str, bool],
    "deque": collections.deque[int], "Counter": collections.Counter[str], "defaultdict": collections.defaultdict[str, list[int]],
    "OrderedDict": collections.OrderedDict[str, int],
    "Optional": int | None, "Union": int | str | None, "Literal": Literal["a", 1, True, None],
    "Color": Color, "Level": Level, "Kind": Kind, "Mixed": Mixed, "NewType": UserId,
    "Point": Point, "Movie": Movie, "Partial": Partial, "Item": Item, "Node": Node,
    "datetime": datetime.datetime, "date": datetime.date, "time": datetime.time, "timedelta": datetime.timedelta,
    "NaiveDatetime": pydantic.NaiveDatetime, "AwareDatetime": pydantic.AwareDatetime,
    "PastDate": pydantic.PastDate, "FutureDate": pydantic.FutureDate, "PastDatetime": pydantic.PastDatetime,
    "FutureDatetime": pydantic.FutureDatetime,
    "Decimal": decimal.Decimal, "condecimal": pydantic.condecimal(max_digits=5, decimal_places=2),
    "Decimal ge": Annotated[decimal.Decimal, Field(ge=0, le=10)], "Fraction": fractions.Fraction, "complex": complex,
    "UUID": uuid.UUID, "UUID1": pydantic.UUID1, "UUID3": pydantic.UUID3, "UUID4": pydantic.UUID4, "UUID5": pydantic.UUID5,
    "UUID6": pydantic.UUID6, "UUID7": pydantic.UUID7, "UUID8": pydantic.UUID8,
    "Path": pathlib.Path, "FilePath": pydantic.FilePath, "DirectoryPath": pydantic.DirectoryPath, "NewPath": pydantic.NewPath,
    "IPv4Address": ipaddress.IPv4Address, "IPv6Address": ipaddress.IPv6Address, "IPv4Network": ipaddress.IPv4Network,
    "IPv6Network": ipaddress.IPv6Network, "IPv4Interface": ipaddress.IPv4Interface,
    "IPv6Interface": ipaddress.IPv6Interface, "IPvAnyAddress": pydantic.IPvAnyAddress,
    "IPvAnyNetwork": pydantic.IPvAnyNetwork, "IPvAnyInterface": pydantic.IPvAnyInterface,
    "Pattern": re.Pattern[str], "ImportString": pydantic.ImportString,
    "AnyUrl": pydantic.AnyUrl, "HttpUrl": pydantic.HttpUrl, "AnyHttpUrl": pydantic.AnyHttpUrl, "FileUrl": pydantic.FileUrl,
    "FtpUrl": pydantic.FtpUrl, "WebsocketUrl": pydantic.WebsocketUrl, "PostgresDsn": pydantic.PostgresDsn,
    "RedisDsn": pydantic.RedisDsn, "MongoDsn": pydantic.MongoDsn,
    "SecretStr": pydantic.SecretStr, "SecretBytes": pydantic.SecretBytes, "Secret": pydantic.Secret[int],
    "Json": pydantic.Json, "Json[int]": pydantic.Json[int], "Base64Str": pydantic.Base64Str,
    "Base64Bytes": pydantic.Base64Bytes, "Base64UrlStr": pydantic.Base64UrlStr, "ByteSize": pydantic.ByteSize,
    "EncodedStr": Annotated[str, pydantic.EncodedStr(encoder=pydantic.Base64Encoder)],
    "PositiveInt": pydantic.PositiveInt, "NegativeInt": pydantic.NegativeInt, "NonNegativeFloat": pydantic.NonNegativeFloat,
    "NonPositiveInt": pydantic.NonPositiveInt, "FiniteFloat": pydantic.FiniteFloat, "StrictInt": pydantic.StrictInt,
    "StrictStr": pydantic.StrictStr, "StrictBool": pydantic.StrictBool, "StrictFloat": pydantic.StrictFloat,
    "conint": pydantic.conint(gt=3, lt=9), "conint multiple": pydantic.conint(multiple_of=7),
    "confloat": pydantic.confloat(ge=-1.5, le=2.25), "constr": pydantic.constr(min_length=2, max_length=5),
    "constr pattern": pydantic.constr(pattern=r"^\w+\s\d{2}$"),
    "conlist": pydantic.conlist(int, min_length=2, max_length=4), "conset": Annotated[set[Literal["a", "b", "c"]], Field(min_length=1)],
    "conbytes": pydantic.conbytes(max_length=4), "condate": pydantic.condate(ge=datetime.date(2020, 1, 1)),
    "User": User, "Closed": Closed, "Open": Open, "Aliased": Aliased, "Pet": Pet, "Page[int]": Page[int],
    "Page[User]": Page[User], "Tree": Tree, "JsonTree": Json, "Expression": Expression, "Numbers": Numbers, "Empty": Empty,
    "Computed": Computed, "Constrained": Constrained, "list[User]": list[User], "Union of models": Cat | Dog | Closed,
    "dict of models": dict[str, Address], "nested": dict[str, list[tuple[int, Address | None]]],
    "SerializeAsAny": pydantic.SerializeAsAny[Address], "JsonValue": pydantic.JsonValue,
    "Annotated title": Annotated[int, Field(title="T", description="d", examples=[1])],
    "Literal enum": Literal[Color.RED], "type alias": Annotated[str, pydantic.StringConstraints(to_upper=True, strip_whitespace=True)],
    "Discriminated list": list[Annotated[Cat | Dog, Field(discriminator="kind")]],
}  # fmt: skip
