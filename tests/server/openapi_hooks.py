"""What schemathesis has to know of the server that no schema can say; it loads this module."""

import os
import secrets
import time
import unicodedata
from typing import Any

import schemathesis

# Answers without a bound of their length would take minutes.
MOST_TOKENS = 4


@schemathesis.hook
def map_body(_context: Any, body: Any) -> Any:
    """JSON schema takes 4.0 for an integer; the server does not."""
    if isinstance(body, dict):
        return {name: map_body(_context, value) for name, value in body.items()}
    if isinstance(body, list):
        return [map_body(_context, value) for value in body]
    return int(body) if isinstance(body, float) and body.is_integer() else body


@schemathesis.hook
def before_call(_context: Any, case: Any, _kwargs: Any) -> None:
    """Keep the key that asks alive, use each idempotency key once, name a model that there is, ask for little, and let
    keys expire in the future.

    What is wrong stays wrong, in the same way.
    """
    if (case.path_parameters or {}).get("id") == os.environ["FOREFRONT_TEST_KEY_ID"]:
        case.path_parameters["id"] = "none"
    key = (case.headers or {}).get("Idempotency-Key")
    if key and len(key) < 200:
        case.headers["Idempotency-Key"] = key + secrets.token_hex(8)
    if isinstance(case.body, dict) and case.path.startswith("/v1/") and "/conversations" not in case.path:
        _ask_little(case.body)
    if isinstance(case.body, dict) and case.path == "/admin/keys":
        _expire_later(case.body)
        _make_visible(case.body)


def _make_visible(body: dict[str, Any]) -> None:
    """No pattern of JSON schema describes visible characters; controls are in the pattern."""
    if isinstance(body.get("name"), str) and body["name"]:
        body["name"] = _visible(body["name"])
    if isinstance(body.get("models"), list):
        body["models"] = [_visible(one) if isinstance(one, str) and one else one for one in body["models"]]


def _visible(text: str) -> str:
    return "".join("x" if unicodedata.category(char) in ("Cf", "Cs", "Co", "Cn", "Zs") else char for char in text)


def _expire_later(body: dict[str, Any]) -> None:
    expires, now = body.get("expires"), int(time.time())
    if type(expires) is int and 0 < expires <= now + 60:
        body["expires"] = now + 60 + expires


def _ask_little(body: dict[str, Any]) -> None:
    if body.get("model") and isinstance(body["model"], str):
        body["model"] = "tiny"
    chat = ("max_tokens", "max_completion_tokens")
    names = ("max_output_tokens",) if "input" in body else chat
    given = [name for name in names if body.get(name) is not None]
    for name in given or [names[0]]:
        value = body.get(name)
        if value is None or (type(value) is int and value > MOST_TOKENS):
            body[name] = MOST_TOKENS
