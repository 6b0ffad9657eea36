"""`/admin/*` and `/v1/usage` over real HTTP."""

import json
from typing import Any

import httpx
import pytest

from tests.support.server import RunningServer

CHAT: dict[str, Any] = {"model": "tiny", "messages": [{"role": "user", "content": "Hi"}], "max_tokens": 8}
CHAT |= {"temperature": 0, "logit_bias": {"2": -100}}


def make_key(server: RunningServer, **fields: Any) -> tuple[str, httpx.Client]:
    """A new key's id, and a client that uses it."""
    with server.client() as admin:
        response = admin.post("/admin/keys", json={"name": "test"} | fields)
    assert response.status_code == 201, response.text
    made = response.json()
    client = httpx.Client(base_url=server.url, headers={"authorization": f"Bearer {made['key']}"}, timeout=60)
    return made["id"], client


def test_the_life_of_a_key(server: RunningServer) -> None:
    key_id, client = make_key(server, project="shop", limits={"requests_per_minute": 100})
    with server.client() as admin, client:
        assert client.post("/v1/chat/completions", json=CHAT).status_code == 200
        shown = admin.get(f"/admin/keys/{key_id}").json()
        assert (shown["project"], shown["limits"]["requests_per_minute"]) == ("shop", 100)
        assert "key" not in shown
        assert key_id in [key["id"] for key in admin.get("/admin/keys").json()["data"]]
        rotated = admin.post(f"/admin/keys/{key_id}/rotate").json()["key"]
        client.headers["authorization"] = f"Bearer {rotated}"
        assert client.get("/v1/models").status_code in (200, 401)
        assert admin.delete(f"/admin/keys/{key_id}").json()["revoked"] > 0
        for path in ("/admin/keys/none", "/admin/keys/none/rotate"):
            method = "POST" if path.endswith("rotate") else "GET"
            assert admin.request(method, path).status_code == 404


def test_other_keys_are_refused(server: RunningServer) -> None:
    _, client = make_key(server)
    with client:
        for method, path in (
            ("GET", "/admin/keys"),
            ("POST", "/admin/keys"),
            ("DELETE", "/admin/keys/x"),
            ("GET", "/admin/usage"),
            ("PUT", "/admin/projects/x"),
            ("GET", "/admin/nothing"),
            ("GET", "/admin"),
        ):
            response = client.request(method, path)
            assert (response.status_code, response.json()["error"]["code"]) == (403, "insufficient_scope")


def test_scopes_and_models_are_kept_apart(server: RunningServer) -> None:
    _, only_models = make_key(server, scopes=["models"])
    _, only_mini = make_key(server, scopes=["chat"], models=["forefront-mini"])
    with only_models, only_mini:
        assert only_models.get("/v1/models").status_code == 200
        assert only_models.post("/v1/chat/completions", json=CHAT).json()["error"]["code"] == "insufficient_scope"
        assert only_mini.get("/v1/models").json()["error"]["code"] == "insufficient_scope"
        refused = only_mini.post("/v1/chat/completions", json=CHAT)
        assert (refused.status_code, refused.json()["error"]["code"]) == (403, "model_not_allowed")
        assert only_mini.post("/v1/chat/completions", json=CHAT | {"model": "forefront-mini"}).status_code == 200


def test_the_usage_of_a_completion_is_visible_to_its_project_only(server: RunningServer) -> None:
    _, one = make_key(server, project="one")
    _, two = make_key(server, project="two")
    with one, two, server.client() as admin:
        answer = one.post("/v1/chat/completions", json=CHAT | {"n": 2}).json()
        usage = one.get(f"/v1/usage/{answer['id']}").json()
        assert usage["input_tokens"] == answer["usage"]["prompt_tokens"]
        assert usage["output_tokens"] == answer["usage"]["completion_tokens"] == 16
        assert (usage["status"], usage["finish_reason"], usage["model"]) == ("completed", "length", "tiny")
        assert two.get(f"/v1/usage/{answer['id']}").status_code == 404
        assert admin.get(f"/v1/usage/{answer['id']}").json() == usage
        report = admin.get("/admin/usage", params={"by": "project,model", "project": "one"}).json()
        assert report["data"][0]["output_tokens"] == 16


def test_the_row_is_there_when_the_end_of_a_stream_is_seen(server: RunningServer) -> None:
    with server.client() as client, server.client() as other:
        for _ in range(20):
            with client.stream("POST", "/v1/chat/completions", json=CHAT | {"stream": True}) as response:
                for line in response.iter_lines():
                    if not line.startswith("data: {"):
                        continue
                    chunk = json.loads(line.removeprefix("data: "))
                    if chunk["choices"] and chunk["choices"][0].get("finish_reason"):
                        assert other.get(f"/v1/usage/{chunk['id']}").json()["output_tokens"] == 8


def test_a_broken_stream_is_in_the_ledger(server: RunningServer) -> None:
    with server.client() as client:
        endless = CHAT | {"stream": True, "max_tokens": 1500}
        with client.stream("POST", "/v1/chat/completions", json=endless) as response:
            lines = (line for line in response.iter_lines() if line.startswith("data: {"))
            seen = [json.loads(next(lines).removeprefix("data: ")) for _ in range(10)]
        while (usage := client.get(f"/v1/usage/{seen[0]['id']}")).status_code == 404:
            pass
        assert usage.json()["status"] == "aborted"
        assert 9 <= usage.json()["output_tokens"] < 1500


def test_limits_and_budgets_over_http(server: RunningServer) -> None:
    _, limited = make_key(server, limits={"requests_per_minute": 2, "tokens_per_minute": 100_000})
    _, poor = make_key(server, budget={"tokens": 60, "period": "ever"})
    with limited, poor:
        first = limited.post("/v1/chat/completions", json=CHAT)
        assert first.headers["x-ratelimit-remaining-requests"] == "1"
        assert int(first.headers["x-ratelimit-remaining-tokens"]) < 100_000
        assert limited.post("/v1/chat/completions", json=CHAT | {"stream": True}).headers["x-ratelimit-limit-tokens"]
        third = limited.post("/v1/chat/completions", json=CHAT)
        assert (third.status_code, third.json()["error"]["type"]) == (429, "rate_limit_error")
        assert 1 <= int(third.headers["retry-after"]) <= 60
        statuses = [poor.post("/v1/chat/completions", json=CHAT).status_code for _ in range(6)]
        assert statuses == sorted(statuses)
        assert statuses[0] == 200
        refused = poor.post("/v1/chat/completions", json=CHAT)
        assert (refused.status_code, refused.json()["error"]["code"]) == (403, "insufficient_credits")
        assert refused.headers["x-should-retry"] == "false"


@pytest.mark.parametrize(
    ("body", "status", "param"),
    [
        ({}, 400, "name"),
        ({"name": ""}, 422, "name"),
        ({"name": 5}, 422, "name"),
        ({"name": "two\nlines"}, 422, "name"),
        ({"name": "\0"}, 422, "name"),
        ({"name": "\x9b31m"}, 422, "name"),
        ({"name": "two\u2028lines"}, 422, "name"),
        ({"name": "x", "models": ["a\0"]}, 422, "models"),
        ({"name": "ab\u202egj"}, 422, "name"),
        ({"name": "a\u200bb"}, 422, "name"),
        ({"name": "x", "models": ["a\u2066b"]}, 422, "models"),
        ({"name": "x", "project": "../x"}, 422, "project"),
        ({"name": "x", "project": "shop\n"}, 422, "project"),
        ({"name": "x", "scopes": []}, 422, "scopes"),
        ({"name": "x", "scopes": ["root"]}, 422, "scopes"),
        ({"name": "x", "nmae": "y"}, 422, "nmae"),
        ({"name": "x", "expires": -1}, 422, "expires"),
        ({"name": "x", "expires": 1}, 422, "expires"),
        ({"name": "x", "expires": 253_402_300_800}, 422, "expires"),
        ({"name": "x", "limits": {"requests_per_minute": 0}}, 422, "limits.requests_per_minute"),
        ({"name": "x", "limits": {"tokens_per_minute": 2**63}}, 422, "limits.tokens_per_minute"),
        ({"name": "x", "limits": {"rpm": 5}}, 422, "limits.rpm"),
        ({"name": "x", "budget": {}}, 400, "budget.tokens"),
        ({"name": "x", "budget": {"money": -1}}, 422, "budget.money"),
        ({"name": "x", "budget": {"tokens": 1, "period": "week"}}, 422, "budget.period"),
        ([], 422, ""),
    ],
)
def test_bad_keys_are_refused_by_field(server: RunningServer, body: Any, status: int, param: str) -> None:
    with server.client() as admin:
        response = admin.post("/admin/keys", json=body)
    assert response.status_code == status, response.text
    assert (response.json()["error"]["param"] or "").removesuffix("[0]") == param


@pytest.mark.parametrize(
    "query",
    ["by=hour", "since=yesterday", "until=2026-13-01", "colour=red", "since=2026-01-01'--", "until=2026-01-01%0A"],
)
def test_bad_reports_are_refused(server: RunningServer, query: str) -> None:
    with server.client() as admin:
        assert admin.get(f"/admin/usage?{query}").status_code == 422


def test_an_invalid_project_name_gets_the_rule(server: RunningServer) -> None:
    with server.client() as admin:
        in_body = admin.post("/admin/keys", json={"name": "x", "project": ".x"}).json()["error"]["message"]
        in_path = admin.put("/admin/projects/.x", json={}).json()["error"]["message"]
    assert "the first a letter or digit" in in_body
    assert "the first a letter or digit" in in_path
