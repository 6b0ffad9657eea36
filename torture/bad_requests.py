"""Invalid requests from a seeded random generator."""

import json
import random
from dataclasses import dataclass, field
from typing import Any, Final

_CHAT: Final[dict[str, Any]] = {
    "model": "tiny",
    "messages": [{"role": "user", "content": "Hello"}],
    "max_tokens": 1,
}
_FIELDS: Final = (
    *(
        "model",
        "messages",
        "max_tokens",
        "max_completion_tokens",
        "temperature",
        "top_p",
        "top_k",
        "min_p",
        "n",
        "seed",
    ),
    *("stop", "stream", "stream_options", "presence_penalty", "frequency_penalty", "repetition_penalty", "logit_bias"),
    *(
        "logprobs",
        "top_logprobs",
        "tools",
        "tool_choice",
        "response_format",
        "user",
        "metadata",
        "reasoning",
        "plugins",
    ),
    *("messages[0].role", "messages[0].content", "messages[0].name", "", "\0", "__proto__", "temprature"),
)
_TEXTS: Final = (
    *(
        "",
        " ",
        "\0",
        "\r\n",
        "é" * 50,
        "\U0001f9e0" * 9,
        "<|im_end|>",
        "{{ 7 * 7 }}",
        "' OR 1=1 --",
        "../../etc/passwd",
    ),
    *("x" * 300, "%s%n", "\ufffe\ufdd0", "tiny", "system", "\u202e", "auto", "json_object", "NaN"),
)
_NUMBERS: Final = (0, -1, 1, 2, 3, 21, 2**31, 2**53, 2**63, -(2**63), 10**40, 0.5, -0.0, 1e308, 5e-324, 1e-9, 2.0001)
_PATHS: Final = (
    *(
        "/",
        "/v1",
        "/v1/chat/completions/",
        "/v1/models",
        "/v1/models/tiny",
        "/v1/models/%00",
        "/v1/models/..%2f..",
        "/%",
    ),
    *("/v1/usage/x", "/v1/usage/%00", "/v1/usage/%ff", "/v1/completions", "/admin", "/admin/keys", "/admin/keys/%00"),
    *(
        "/admin/keys/x/rotate",
        "/admin/usage",
        "/admin/usage?by=",
        "/admin/usage?key=%00&by=model",
        "/admin/projects/%00",
    ),
    *(
        "/admin/usage?since=9999-99-99",
        "/admin/usage?project=%ed%a0%80",
        "/admin/projects/a",
        "/admin/status",
        "//",
        "/?",
    ),
    *("/health", "/admin/usage?by=day,day&until=2026-02-31", "/admin/keys/%f0%9f%a7%a0", "/v1/chat/completions?x=%00"),
)
_ADMIN: Final[tuple[dict[str, Any], ...]] = (
    {"name": "x", "project": "a/b"},
    {"name": "x", "limits": {"requests_per_minute": 0}},
    {"name": "\0"},
    {"name": "x", "models": ["\0"]},
    {"name": "x", "expires": 2**40},
    {"name": "x", "budget": {"money": 1e309, "period": "ever"}},
    {"weight": -1},
    {"weight": 1, "budget": {"tokens": 2**60}},
)


@dataclass(frozen=True)
class BadRequest:
    """A request that no server should have to see."""

    method: str
    path: str
    body: bytes = b""
    headers: dict[str, str] = field(default_factory=dict)


def bad_request(chance: random.Random) -> BadRequest:
    """One of them; a few are right by accident."""
    kind = chance.random()
    if kind < 0.6:
        return BadRequest("POST", "/v1/chat/completions", _changed(chance))
    if kind < 0.8:
        return BadRequest("POST", "/v1/chat/completions", _mangled(chance))
    if kind < 0.88:
        return BadRequest("POST", "/v1/chat/completions", json.dumps(_CHAT).encode(), _headers(chance))
    if kind < 0.93:
        method, path = chance.choice(
            (("POST", "/admin/keys"), ("PUT", "/admin/projects/a"), ("PUT", "/admin/projects/%00"))
        )
        return BadRequest(method, path, json.dumps(chance.choice(_ADMIN)).encode())
    methods = ("GET", "POST", "PUT", "DELETE", "PATCH", "OPTIONS", "HEAD", "TRACE", "BREW")
    return BadRequest(chance.choice(methods), chance.choice(_PATHS), chance.choice((b"", b"{}", b"[]", b"\xff")))


def _changed(chance: random.Random) -> bytes:
    """A good request with one or two fields that are not, and never much to compute."""
    fields: dict[str, Any] = json.loads(json.dumps(_CHAT))
    for _ in range(chance.randint(1, 2)):
        name, value = chance.choice(_FIELDS), _value(chance, 0)
        if name in ("max_tokens", "max_completion_tokens") and (value is None or value is True):
            continue  # left out, it is all that is left of the context
        if name.startswith("messages[0]."):
            fields["messages"] = [{"role": "user", "content": "Hello"} | {name[12:]: value}]
        elif chance.random() < 0.05 and name not in ("max_tokens", "max_completion_tokens"):
            fields.pop(name, None)
        else:
            fields[name] = value
    return json.dumps(fields).encode(errors="surrogatepass")


def _value(chance: random.Random, depth: int) -> Any:
    kind = chance.randrange(8 if depth < 4 else 4)
    if kind < 2:
        return chance.choice(_TEXTS if depth else (*_TEXTS, "x" * 70_000))
    if kind == 2:
        return chance.choice(_NUMBERS)
    if kind == 3:
        return chance.choice((None, True, False, [], {}, "\ud800"))
    if kind < 6:
        return [_value(chance, depth + 1) for _ in range(chance.choice((1, 1, 2, 2 if depth else 20)))]
    return {chance.choice(_FIELDS + _TEXTS[:12]): _value(chance, depth + 1) for _ in range(chance.choice((1, 2, 5)))}


def _mangled(chance: random.Random) -> bytes:
    """JSON with bytes changed, cut off, doubled or nested too deep; now and then nothing like it."""
    # No such model: a damaged name of a field would leave its bound on the answer out.
    body = bytearray(json.dumps(_CHAT | {"model": "none"}).encode())
    kind = chance.randrange(6)
    if kind == 0:
        return bytes(body[: chance.randrange(len(body))])
    if kind == 1:
        for _ in range(chance.randint(1, 5)):
            body[chance.randrange(len(body))] = chance.randrange(256)
        return bytes(body)
    if kind == 2:
        return chance.randbytes(chance.randrange(200))
    if kind == 3:
        opening = chance.choice((b"[", b'{"a":', b'{"messages":[', b"\xef\xbb\xbf"))
        return opening * chance.choice((1, 50, 3000))
    if kind == 4:
        return bytes(body) + chance.choice((b"}", b",", b"\0", bytes(body), b"//"))
    place = chance.randrange(len(body))
    return bytes(body[:place] + chance.choice((b"NaN", b"-Infinity", b",,", b"'", b"\\u12", b"1e999")) + body[place:])


def _headers(chance: random.Random) -> dict[str, str]:
    name = chance.choice(
        ("content_type", "content_encoding", "authorization", "x_request_id", "accept", "origin", "expect", "x" * 60)
    )
    value = chance.choice(
        ("", "x" * 2000, "gzip", "application/json; charset=utf-16", "Bearer ", "é", "a\tb", "*/*;q=x")
    )
    return {name: value}
