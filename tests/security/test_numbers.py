"""Every number that a request may hold, at values that break programs: taken, or refused by name; the next one works.

The fields come from the wire types, with their bounds, so that a new field is tested without being named here.
"""

import itertools
import json
import math
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx
import msgspec
import pytest
from msgspec import inspect

from forefront.wire.admin.records import NewKey, ProjectSettings
from forefront.wire.completions.request import ChatRequest, CompletionRequest
from forefront.wire.messages.request import MessagesRequest
from forefront.wire.responses.request import ResponsesRequest
from tests.security.conftest import Stored
from tests.security.errors import check_error
from tests.security.routes import route_table

# Their JSON texts.
VALUES = [
    "-1", "0", "1", "-0", "0.5", "2147483647", "2147483648", "9223372036854775807", "9223372036854775808",
    "-9223372036854775809", "1e308", "-1e308", "1e309", "1e-320", "NaN", "Infinity", "1" + "0" * 400,
    '""', '"1"', '"NaN"', "true", "null", "[]", "[1]", "{}",
]  # fmt: skip
# The answers are short for every `max_tokens`.
CHAT = {"model": "tiny", "messages": [{"role": "user", "content": "Hi"}], "stop": list("etaoins "), "max_tokens": 2}
RESPONSE = {"model": "tiny", "input": "Hi", "stop": list("etaoins "), "max_output_tokens": 2}
TEXT = {"model": "tiny", "prompt": "Hi", "stop": list("etaoins "), "max_tokens": 2}

MESSAGE = {"stop_sequences" if name == "stop" else name: value for name, value in CHAT.items()}


# The value beyond a type's bounds that is accepted.
NO_LIMIT = (ChatRequest, ("max_tokens",), "-1")


@dataclass(frozen=True, slots=True)
class Endpoint:
    """Where requests of a type go, and a body of that type that is taken."""

    method: str
    path: str
    kind: type[msgspec.Struct]
    body: dict[str, Any]


ENDPOINTS = [
    Endpoint("POST", "/v1/chat/completions", ChatRequest, CHAT),
    Endpoint("POST", "/v1/completions", CompletionRequest, TEXT),
    Endpoint("POST", "/v1/responses", ResponsesRequest, RESPONSE),
    Endpoint("POST", "/v1/messages", MessagesRequest, MESSAGE),
    Endpoint("POST", "/admin/keys", NewKey, {"name": "numbers", "budget": {"tokens": 5}}),
    Endpoint("PUT", "/admin/projects/numbers", ProjectSettings, {"budget": {"tokens": 5}}),
]


@dataclass(frozen=True, slots=True)
class Number:
    """A numeric field: its path, and its type."""

    path: tuple[str, ...]
    kind: inspect.IntType | inspect.FloatType

    def takes(self, value: Any) -> bool:
        """Whether the type's own bounds let the value in."""
        if isinstance(value, bool) or not isinstance(value, int | float):
            return False
        if isinstance(value, float) and (not math.isfinite(value) or isinstance(self.kind, inspect.IntType)):
            return False
        bounds = self.kind
        return not (
            (bounds.ge is not None and value < bounds.ge)
            or (bounds.gt is not None and value <= bounds.gt)
            or (bounds.le is not None and value > bounds.le)
            or (bounds.lt is not None and value >= bounds.lt)
        )


def numbers(kind: inspect.Type, path: tuple[str, ...] = ()) -> Iterator[Number]:
    """The fields that are numbers or nothing, and the values of mappings to numbers."""
    if isinstance(kind, inspect.IntType | inspect.FloatType):
        yield Number(path, kind)
    elif isinstance(kind, inspect.UnionType):
        others = [one for one in kind.types if not isinstance(one, inspect.NoneType)]
        if len(others) == 1:
            yield from numbers(others[0], path)
    elif isinstance(kind, inspect.DictType):
        yield from numbers(kind.value_type, (*path, "5"))
    elif isinstance(kind, inspect.StructType):
        for field in kind.fields:
            yield from numbers(field.type, (*path, field.encode_name))


def test_the_walk_finds_all_number_fields() -> None:
    found = {number.path for number in numbers(inspect.type_info(ChatRequest))}
    assert found >= {("max_tokens",), ("temperature",), ("top_k",), ("seed",), ("n",), ("logit_bias", "5")}
    assert ("budget", "money") in {number.path for number in numbers(inspect.type_info(NewKey))}


def spell(body: dict[str, Any], path: tuple[str, ...], value: str) -> bytes:
    """The body as JSON, with `value` as it stands at `path`."""
    marked: dict[str, Any] = json.loads(json.dumps(body))
    place = marked
    for name in path[:-1]:
        place = place.setdefault(name, {})
    place[path[-1]] = "@@"
    if path[0] == "top_logprobs":
        marked |= {"include": ["message.output_text.logprobs"]} if "input" in marked else {"logprobs": True}
    return json.dumps(marked).replace('"@@"', value).encode()


def check(response: httpx.Response, number: Number, text: str) -> None:
    try:
        value = json.loads(text, parse_constant=lambda _: None)
    except ValueError:
        value = None
    if text != "null" and not number.takes(value):
        error = check_error(response.status_code, response.content)
        if error["code"] != "invalid_json":  # no number of JSON, so no field can be named
            assert (error["param"] or "").removesuffix("[...]") in (".".join(number.path), number.path[0]), error
    elif response.status_code >= 400:  # one that its type takes may still not fit: the context, the vocabulary
        error = check_error(response.status_code, response.content)
        assert error["param"] or response.status_code == 408, error


def resident(pid: int) -> int:
    """MiB of memory that the process holds."""
    [line] = [line for line in Path(f"/proc/{pid}/status").read_text().splitlines() if line.startswith("VmRSS")]
    return int(line.split()[1]) // 1024


@pytest.mark.slow
@pytest.mark.parametrize("endpoint", ENDPOINTS, ids=lambda endpoint: endpoint.path)
def test_every_number_is_accepted_or_refused_by_name(stored: Stored, endpoint: Endpoint, tmp_path: Path) -> None:
    if "numbers" not in endpoint.path and endpoint.path not in {route.path for route in route_table(tmp_path)}:
        pytest.skip(f"there is no {endpoint.path} yet")
    headers = {"content-type": "application/json"}
    with stored.server.client(headers=headers) as client:

        def send(content: bytes) -> httpx.Response:
            return client.request(endpoint.method, endpoint.path, content=content, timeout=20)

        assert send(json.dumps(endpoint.body).encode()).status_code in (200, 201)
        before = resident(stored.server.process.pid)
        for number, text in itertools.product(numbers(inspect.type_info(endpoint.kind)), VALUES):
            response = send(spell(endpoint.body, number.path, text))
            if (endpoint.kind, number.path, text) == NO_LIMIT:
                assert response.status_code == 200
            else:
                check(response, number, text)
        assert send(json.dumps(endpoint.body).encode()).status_code in (200, 201)
        assert resident(stored.server.process.pid) - before < 100
