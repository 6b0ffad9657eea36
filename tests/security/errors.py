"""What every error must be: of the one shape, and without a word of the server's inside."""

import json
import re
from typing import Any

import httpx

from forefront.wire.errors import ERRORS
from forefront.wire.messages.errors import messages_status
from tests.support.server import RunningServer

# Addresses in memory, paths of this machine, tracebacks, names of libraries and their own words.
_INSIDE = re.compile(
    r"0x[0-9a-f]{6,}|Traceback|\bFile \"|\.py\b|site-packages|/work/|/tmp/|/home/|/root|/usr/|<[a-z_.]+ object"
    r"|sqlalchemy|sqlite|psycopg|postgres|msgspec|uvicorn|starlette|jinja2|openvino|errno|NoneType",
    re.IGNORECASE,
)


def check_error(status: int, body: bytes, *, echoed: str = "") -> dict[str, Any]:
    """The error of a refused request. `echoed`: what the client itself sent, which may come back."""
    assert 400 <= status < 500, (status, body)
    parsed = json.loads(body)
    if parsed.get("type") == "error":
        error = _of_messages(status, parsed)
    else:
        assert set(parsed) == {"error"}
        error = parsed["error"]
        assert set(error) == {"message", "type", "param", "code"}
        assert ERRORS[error["code"]] == (status, error["type"])
    assert error["message"]
    for text in (error["message"], error["param"] or ""):
        own = text.replace(echoed, "") if echoed else text
        assert not _INSIDE.search(own), text
    return error


def _of_messages(status: int, body: dict[str, Any]) -> dict[str, Any]:
    """An error of the Messages API, with the field that its message names and the code, if that is certain."""
    assert set(body) == {"type", "error", "request_id"}
    error: dict[str, Any] = body["error"]
    assert set(error) == {"type", "message"}
    assert error["type"].endswith("_error") or error["type"] == "request_too_large"
    codes = [code for code in ERRORS if messages_status(code) == status]
    if error["message"].startswith("Invalid JSON"):
        codes = ["invalid_json"]
    named = re.search("`([^`]*)`", error["message"])
    return error | {"param": named and named[1], "code": codes[0] if len(codes) == 1 else None}


def watched(server: RunningServer, key: str | None = None, **options: Any) -> httpx.Client:
    """A client every one of whose failures is checked. `key`: another than the server's own."""

    def check(response: httpx.Response) -> None:
        assert response.status_code < 500, response.request.url
        if response.status_code >= 400 and response.request.method != "HEAD":
            response.read()
            check_error(response.status_code, response.content, echoed=response.request.url.path)

    headers = options.pop("headers", {}) | ({} if key is None else {"authorization": f"Bearer {key}"})
    return server.client(event_hooks={"response": [check]}, headers=headers, **options)
