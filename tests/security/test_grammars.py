"""A grammar that cannot be followed, or only with all time and memory, is its own request's error, and no more.

The errors of each are in `chat/grammar/test_compiler.py`; here they meet a server that others use.
"""

import json
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import httpx
import pytest

from tests.security.errors import check_error
from tests.support.server import RunningServer

CHAT_FIELDS: dict[str, Any] = {
    "model": "tiny",
    "messages": [{"role": "user", "content": "x"}],
    "max_tokens": 16,
    "seed": 1,
}
PERSON = {"type": "object", "properties": {"name": {"type": "string", "maxLength": 4}}, "required": ["name"]}
DEEP = '{"properties": {"a": ' * 10_000 + "{}" + "}}" * 10_000


def formed(schema: str, *, strict: bool = True) -> bytes:
    """A request for an answer of that schema; put together as text, since Python refuses to nest so deep."""
    mode = "true" if strict else "false"
    form = '{"type": "json_schema", "json_schema": {"name": "x", "strict": ' + mode + ', "schema": ' + schema + "}}"
    return json.dumps(CHAT_FIELDS)[:-1].encode() + b', "response_format": ' + form.encode() + b"}"


REFUSED = [
    formed(DEEP),
    formed('{"type": "object", "properties": {"c": {"$ref": "#"}}, "required": ["c"]}'),
    formed('{"$defs": {"a": {"$ref": "#/$defs/b"}, "b": {"$ref": "#/$defs/a"}}, "$ref": "#/$defs/a"}'),
    formed('{"type": "integer", "multipleOf": 123456789}'),
    formed('{"enum": ["' + "x" * 300_000 + '"]}'),
    json.dumps(CHAT_FIELDS | {"regex": "(" * 5000 + "a" + ")" * 5000}).encode(),
]


@pytest.mark.slow
def test_refused_grammars_do_not_change_a_server(server: RunningServer) -> None:
    json_body = {"content-type": "application/json"}
    with server.client() as client, ThreadPoolExecutor() as threads:

        def ask(content: bytes) -> httpx.Response:
            return client.post("/v1/chat/completions", content=content, headers=json_body)

        before = client.post("/v1/chat/completions", json=CHAT_FIELDS | {"temperature": 0}).json()["choices"]
        refusals = [threads.submit(ask, content) for content in REFUSED]
        slowest = 0.0
        while not all(one.done() for one in refusals):
            begin = time.monotonic()
            assert client.get("/health").status_code == 200
            slowest = max(slowest, time.monotonic() - begin)
            time.sleep(0.01)
        for one in refusals:
            check_error(one.result().status_code, one.result().content)
        backtracking = client.post("/v1/chat/completions", json=CHAT_FIELDS | {"regex": "(a+)+$"})
        assert set(backtracking.json()["choices"][0]["message"]["content"]) == {"a"}
        assert client.post("/v1/chat/completions", json=CHAT_FIELDS | {"temperature": 0}).json()["choices"] == before
        status = client.get("/admin/status").json()["models"]["tiny"]
    assert (status["running"], status["waiting"]) == (0, 0), status
    assert slowest < 10  # 0.1 s on a quiet machine; a backtracking search would take minutes


@pytest.mark.slow
def test_hundreds_of_distinct_schemas_take_no_more_and_more_memory(server: RunningServer) -> None:
    """A cache without a bound would keep 25 MB of texts in the second hundred."""

    def memory() -> int:
        return int(Path(f"/proc/{server.process.pid}/statm").read_text().split()[1]) * 4096

    with server.client() as client:
        sizes = []
        for number in range(200):
            schema = json.dumps(PERSON | {"title": f"number {number}", "description": "x" * 250_000})
            body = formed(schema)
            answer = client.post("/v1/chat/completions", content=body, headers={"content-type": "application/json"})
            assert answer.status_code == 200, answer.text
            sizes.append(memory())
    assert sizes[-1] - sizes[99] < 16 * 2**20
