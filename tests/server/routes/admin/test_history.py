"""`/admin/history`, `/admin/requests` and `/admin/budgets` over HTTP: what they add up to and what they leave out."""

import json
from collections.abc import Iterator
from typing import Any

import httpx
import pytest

from forefront.cli.settings.config import Config
from forefront.cli.settings.sections import PriceSettings
from tests.support.backends.instant import KEY, MODEL, Nursery

CHAT = "/v1/chat/completions"
SECRET = "a text that only the client knows"
BODY: dict[str, Any] = {"model": MODEL, "messages": [{"role": "user", "content": SECRET}], "max_tokens": 5}
SUMS = ("requests", "input_tokens", "cached_tokens", "output_tokens", "cost")


@pytest.fixture(scope="module")
def admin(tmp_path_factory: pytest.TempPathFactory) -> Iterator[httpx.Client]:
    """A client of a server whose answers take no time."""
    folder = tmp_path_factory.mktemp("store")
    settings = Config(prices={MODEL: PriceSettings(input=1.0, output=2.0)})
    with (
        Nursery().serve(f"sqlite:///{folder / 'forefront.db'}", folder / "log", settings=settings) as server,
        httpx.Client(base_url=server.url, headers={"authorization": f"Bearer {KEY}"}) as client,
    ):
        yield client


def make_key(admin: httpx.Client, **fields: Any) -> tuple[str, dict[str, str]]:
    made = admin.post("/admin/keys", json={"name": "test"} | fields).json()
    return made["id"], {"authorization": f"Bearer {made['key']}"}


def history(admin: httpx.Client, **query: str) -> dict[str, Any]:
    response = admin.get("/admin/history", params=query)
    assert response.status_code == 200, response.text
    return response.json()  # type: ignore[no-any-return]


def sums(series: dict[str, Any]) -> dict[str, float]:
    return {name: sum(series[name]) for name in SUMS}


def test_all_ranges_add_up_to_the_report(admin: httpx.Client) -> None:
    _, shop = make_key(admin, project="shop")
    for headers in ({}, shop, shop):
        for stream in (False, True):
            assert admin.post(CHAT, json=BODY | {"stream": stream}, headers=headers).status_code == 200
    for by in ("model", "project", "key"):
        rows = admin.get("/admin/usage", params={"by": by}).json()["data"]
        expected = {row["group"][by]: pytest.approx({name: row[name] for name in SUMS}) for row in rows}
        for range_ in ("hour", "day", "month"):
            answer = history(admin, range=range_, by=by)
            assert {name: sums(series) for name, series in answer["groups"].items()} == expected
            for name in SUMS:
                assert sum(answer["total"][name]) == pytest.approx(sum(row[name] for row in rows))
            lengths = {len(answer["total"][name]) for name in SUMS}
            assert lengths == {len(series[name]) for series in answer["groups"].values() for name in SUMS}
            assert answer["start"] + (lengths.pop() - 1) * answer["step"] <= answer["now"]
    assert sums(history(admin, project="shop")["total"])["requests"] == 4
    assert history(admin, project="nothing")["groups"] == {}


def test_latencies(admin: httpx.Client) -> None:
    admin.post(CHAT, json=BODY | {"max_tokens": 50, "stream": True})
    for range_, names in (("hour", ("mean", "p50", "p95")), ("day", ("mean",))):
        for latency in ("time_to_first_token", "inter_token_latency"):
            series = history(admin, range=range_)["total"][latency]
            for name in names:
                assert any(value is not None and 0 < value < 20 for value in series[name])
    assert history(admin, range="month")["total"]["time_to_first_token"] == {"mean": [], "p50": [], "p95": []}


def test_failed_requests_are_listed_with_receipts_and_without_prompts(admin: httpx.Client) -> None:
    key, poor = make_key(admin, project="poor", budget={"tokens": 1, "period": "day"})
    assert admin.post(CHAT, json=BODY, headers=poor).status_code == 403
    assert admin.post(CHAT, json=BODY, headers=poor | {"authorization": "Bearer wrong"}).status_code == 401
    answer = admin.get("/admin/requests")
    [failed] = answer.json()["failed"]
    assert (failed["key"], failed["project"], failed["model"]) == (key, "poor", MODEL)
    assert (failed["error"], failed["ledger"], failed["cost"]) == ("insufficient_credits", False, 0)
    slowest = answer.json()["slowest"]
    seconds = [request["finished"] - request["received"] for request in slowest]
    assert seconds == sorted(seconds, reverse=True)
    receipt = admin.get(f"/v1/usage/{slowest[0]['id']}").json()
    shared = receipt.keys() & slowest[0].keys()
    assert {"id", "key", "cost", "output_tokens", "finish_reason"} < shared
    assert {name: receipt[name] for name in shared} == {name: slowest[0][name] for name in shared}
    assert sum(history(admin, by="key")["groups"][key]["errors"]) == 1
    for path in ("/admin/requests", "/admin/history?by=key", "/admin/budgets"):
        assert SECRET not in json.dumps(admin.get(path).json())


def test_limits_and_budgets_of_a_key(admin: httpx.Client) -> None:
    key, _ = make_key(admin)
    path = f"/admin/keys/{key}/limits"
    wanted = {"limits": {"requests_per_minute": 60}, "budget": {"tokens": 100, "period": "day"}}
    changed = admin.put(path, json=wanted).json()
    assert (changed["limits"]["requests_per_minute"], changed["budget"]["tokens"]) == (60, 100)
    [budget] = [row for row in admin.get("/admin/budgets").json()["data"] if row["id"] == key]
    assert (budget["tokens_left"], budget["money_left"], budget["period"]) == (100, None, "day")
    assert admin.put(path, json={}).json()["budget"] is None
    for body, status in (({"budget": {}}, 400), ({"limit": {}}, 422), ({"limits": {"concurrency": 0}}, 422)):
        assert admin.put(path, json=body).status_code == status
    assert admin.put("/admin/keys/none/limits", json={}).status_code == 404


@pytest.mark.parametrize(
    ("query", "param"), [("range=week", "range"), ("by=day", "by"), ("model=", "model"), ("since=1", "since")]
)
def test_bad_queries(admin: httpx.Client, query: str, param: str) -> None:
    response = admin.get(f"/admin/history?{query}")
    assert (response.status_code, response.json()["error"]["param"]) == (422, param)
