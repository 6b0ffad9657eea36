"""JSON schemas of the wire's types, with aliases, ignored fields and fields that are refused by name."""

import inspect
import re
from collections.abc import Iterable, Iterator
from functools import cache
from itertools import takewhile
from typing import Any

import msgspec

from forefront.server.openapi.rules import RULES
from forefront.wire.completions.field_aliases import ALIASES
from forefront.wire.completions.refused_fields import ADVICE, REFUSED
from forefront.wire.completions.request import ChatRequest, SampledRequest
from forefront.wire.messages.refused_fields import REFUSED as MESSAGES_REFUSED
from forefront.wire.messages.request import CountTokensRequest
from forefront.wire.messages.tools import ClientTool
from forefront.wire.record import Record, TaggedRecord
from forefront.wire.responses.items import ItemReference, MessageItem
from forefront.wire.responses.refused_fields import REFUSED as RESPONSES_REFUSED
from forefront.wire.responses.request import ResponsesRequest

Schema = dict[str, Any]
_REFUSED = REFUSED | RESPONSES_REFUSED | MESSAGES_REFUSED
# Objects that may come without their `type`.
_UNTYPED = (MessageItem, ItemReference, ClientTool)
_REFERENCE = "#/components/schemas/{name}"


def components(requests: Iterable[Any], responses: Iterable[Any]) -> dict[str, Schema]:
    """The schemas of all structs in these types, by name. Structs of responses alone have all their fields."""
    requests, responses = list(requests), list(responses)
    _, found = msgspec.json.schema_components([*requests, *responses], ref_template=_REFERENCE)
    in_requests = set(_structs(requests))
    for struct in _structs([*requests, *responses]):
        schema = found[struct.__name__]
        schema["description"] = _docs(struct)
        schema |= RULES.get(struct, {})
        _describe(schema)
        if struct in in_requests:
            _add_unknown(schema, struct)
        elif not struct.__struct_config__.omit_defaults:
            schema["required"] = list(schema["properties"])
    plain: dict[str, Schema] = _plain(dict(sorted(found.items())))
    return plain


@cache
def schema_of(type_: Any) -> Schema:
    """One type's schema; structs in it are references. Made once, because most operations share their errors."""
    [schema], _ = msgspec.json.schema_components([type_], ref_template=_REFERENCE)
    plain: Schema = _plain(schema)
    return plain


def _structs(types: Iterable[Any]) -> Iterator[type[msgspec.Struct]]:
    """Every struct within the types, once."""
    seen: set[type[msgspec.Struct]] = set()
    left = list(msgspec.inspect.multi_type_info(types))
    while left:
        info = left.pop()
        if isinstance(info, msgspec.inspect.StructType):
            if info.cls in seen:
                continue
            seen.add(info.cls)
            yield info.cls
            left += [field.type for field in info.fields]
        elif isinstance(info, msgspec.inspect.UnionType):
            left += info.types
        elif isinstance(info, msgspec.inspect.DictType):
            left.append(info.value_type)
        elif isinstance(info, msgspec.inspect.ListType):
            left.append(info.item_type)
        elif isinstance(info, msgspec.inspect.Metadata):
            left.append(info.type)


def _docs(struct: type[msgspec.Struct]) -> str:
    """The docstrings of the struct and its bases."""
    bases = (TaggedRecord, Record, msgspec.Struct)
    kinds = takewhile(lambda kind: kind not in bases, struct.__mro__)
    texts = [inspect.cleandoc(kind.__doc__) for kind in kinds if kind.__doc__]
    return "\n\n".join(re.sub(r"(?<!\n)\n(?!\n)", " ", text) for text in dict.fromkeys(texts))


def _describe(schema: Schema) -> None:
    """Give each property the sentences of the description that mention it."""
    sentences = re.split(r"(?<=[.:])\s+(?=[A-Z`])", schema["description"])
    for name, property_ in schema["properties"].items():
        about = [sentence for sentence in sentences if f"`{name}`" in sentence]
        if about:
            property_["description"] = " ".join(about)


def _add_unknown(schema: Schema, struct: type[msgspec.Struct]) -> None:
    """Add fields that the struct does not have, but that have a meaning by name."""
    properties = schema["properties"]
    for name, refusal in _REFUSED.get(struct, {}).items():
        values = [*refusal.harmless, None]
        properties[name] = {"enum": values, "description": f"Not supported: {refusal.why}."}
    if struct in _UNTYPED:
        schema["required"].remove("type")
    if not issubclass(struct, SampledRequest | ResponsesRequest | CountTokensRequest):
        return
    for name in sorted(ADVICE - properties.keys()):
        properties[name] = {"description": "Accepted, without effect."}
    if struct is ChatRequest:
        limit = properties["max_tokens"]
        properties["max_tokens"] = {**limit, "anyOf": [{"const": -1}, *limit["anyOf"]]}
    for alias, name in ALIASES.items():
        if name in properties and issubclass(struct, SampledRequest):
            properties[alias] = {**properties[name], "description": f"Another name of `{name}`."}
    if struct is ChatRequest:
        text = "In place of `messages`: one message of the user."
        properties["prompt"] = {"type": ["string", "null"], "description": text}
        properties["messages"] = {"anyOf": [properties["messages"], {"type": "null"}]}
        schema["required"] = [name for name in schema["required"] if name != "messages"]


def _plain(value: Any) -> Any:
    """Without `default: null`, which `required` implies, and without syntax of Python in patterns."""
    if isinstance(value, dict):
        kept = {key: _plain(inner) for key, inner in value.items() if not (key == "default" and inner is None)}
        if isinstance(kept.get("pattern"), str):
            kept["pattern"] = kept["pattern"].replace(r"\Z", "$")
        return kept
    return [_plain(inner) for inner in value] if isinstance(value, list) else value
