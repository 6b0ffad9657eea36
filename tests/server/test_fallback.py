"""Fallback models over real HTTP."""

import json
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import httpx
import pytest

from forefront.cli.settings.sections import Config, PriceSettings
from forefront.upstream.replicas.circuit import CircuitPolicy
from forefront.upstream.spec import UpstreamSpec
from tests.support.backends.instant import KEY, MODEL, Nursery
from tests.support.ports import free_port
from tests.support.upstreams.faulty_upstream import FaultyUpstream, run_faulty_upstream
from tests.support.upstreams.upstream_faults import upstream_faults

HEADER = "x-forefront-served-by"
SETTINGS = Config(prices={MODEL: PriceSettings(input=1.0, output=1000.0), "dead": PriceSettings(output=1.0)})
FALLBACK = {
    "dead": [MODEL],
    "first": ["second", MODEL],
    "second": ["upstream"],
    "faulty": ["upstream"],
    "alone": ["dead"],
    "dead ünder": [MODEL],
}


@dataclass
class Served:
    """A server and its working upstream."""

    client: httpx.Client
    upstream: FaultyUpstream

    def chat(
        self, model: str, key: str = KEY, *, headers: dict[str, str] | None = None, **fields: Any
    ) -> httpx.Response:
        body = {"model": model, "messages": [{"role": "user", "content": "Hi"}], "max_tokens": 4} | fields
        sent = {"authorization": f"Bearer {key}"} | (headers or {})
        return self.client.post("/v1/chat/completions", json=body, headers=sent)

    def usage(self, completion: str) -> dict[str, Any]:
        row: dict[str, Any] = self.client.get(f"/v1/usage/{completion}").json()
        return row

    def key(self, **fields: Any) -> str:
        made: str = self.client.post("/admin/keys", json={"name": "test"} | fields).json()["key"]
        return made


@pytest.fixture(scope="module")
def served(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Served]:
    folder = tmp_path_factory.mktemp("fallback")
    nowhere = f"http://127.0.0.1:{free_port()}/v1"
    with run_faulty_upstream() as upstream:
        base = upstream.url.removesuffix("/v1")
        urls = {"upstream": upstream.url, "faulty": f"{base}/faulty/v1"}
        names = ("dead", "first", "second", "alone", "dead ünder", *urls)
        specs = [
            UpstreamSpec(name, (urls.get(name, nowhere),), "m", dialect="generic", context_length=4096)
            for name in names
        ]
        options: dict[str, Any] = {"settings": SETTINGS, "fallback": FALLBACK, "upstreams": specs}
        policy = CircuitPolicy(failures=10**6, failed_checks=10**6)
        with (
            Nursery().serve(f"sqlite:///{folder / 'f.db'}", folder / "log", policy=policy, **options) as server,
            httpx.Client(base_url=server.url, headers={"authorization": f"Bearer {KEY}"}, timeout=30) as client,
        ):
            yield Served(client, upstream)


@pytest.fixture(autouse=True)
def reset(served: Served) -> None:
    served.upstream.paths.clear()
    served.upstream.script.clear()


def break_upstream(served: Served, fault: str) -> None:
    served.upstream.paths["/faulty/v1/chat/completions"] = upstream_faults()[fault].answer


def test_a_fallback_answers_and_is_named(served: Served) -> None:
    response = served.chat("dead")
    assert response.status_code == 200
    assert response.headers[HEADER] == MODEL
    body = response.json()
    assert body["model"] == MODEL
    assert body["system_fingerprint"] == "fp_instant"
    row = served.usage(body["id"])
    assert (row["model"], row["status"], row["output_tokens"]) == (MODEL, "completed", 4)
    assert row["cost"] == pytest.approx((10 * 1 + 4 * 1000) / 1e6)


def test_without_a_failure_nothing_is_named(served: Served) -> None:
    response = served.chat("upstream")
    assert HEADER not in response.headers
    assert response.json()["receipt"].get("served_by") is None
    assert response.json()["model"] == "upstream"


def test_a_stream(served: Served) -> None:
    response = served.chat("dead", stream=True)
    assert response.headers[HEADER] == MODEL
    chunks = [json.loads(line[6:]) for line in response.text.splitlines() if line.startswith("data: {")]
    assert {chunk["model"] for chunk in chunks} == {MODEL}
    assert response.text.endswith("data: [DONE]\n\n")


def test_fallbacks_of_fallbacks_come_in_order(served: Served) -> None:
    response = served.chat("first")
    assert response.headers[HEADER] == "upstream"
    assert response.json()["receipt"]["served_by"] == "upstream"
    assert response.json()["receipt"]["upstream"]["name"] == "upstream/1"


def test_the_header_takes_any_name(served: Served) -> None:
    assert served.chat("dead ünder").headers[HEADER] == MODEL


def test_a_fallback_outside_the_keys_models_is_skipped(served: Served) -> None:
    response = served.chat("dead", served.key(models=["dead"]))
    assert response.status_code == 503
    assert response.json()["error"]["code"] == "upstream_unavailable"
    assert served.chat("dead", served.key(models=["dead", MODEL])).status_code == 200
    # The second model is left out, its own fallback is not.
    assert served.chat("first", served.key(models=["first", "upstream"])).headers[HEADER] == "upstream"


@pytest.mark.parametrize("fault", ["stream: 500", "stream: 429", "stream: resets before", "stream: error first"])
@pytest.mark.parametrize("stream", [True, False])
def test_a_failure_before_the_answer(served: Served, fault: str, *, stream: bool) -> None:
    break_upstream(served, fault)
    response = served.chat("faulty", stream=stream)
    assert response.headers[HEADER] == "upstream"
    assert "Hello" in response.text


def test_a_failure_within_the_answer_has_no_fallback(served: Served) -> None:
    break_upstream(served, "stream: resets within")
    response = served.chat("faulty", stream=True)
    assert HEADER not in response.headers
    assert '"code":"upstream_failed"' in response.text
    assert "[DONE]" not in response.text


def test_a_refused_request_has_no_fallback(served: Served) -> None:
    break_upstream(served, "stream: 400")
    assert 400 <= served.chat("faulty").status_code < 500


def test_a_request_that_the_fallback_cannot_take_gets_the_error_of_its_model(served: Served) -> None:
    break_upstream(served, "stream: 503")
    served.upstream.script.append(upstream_faults()["stream: 400"].answer)
    response = served.chat("faulty")
    assert response.status_code == 503


def test_the_deadline_covers_all_models_together(served: Served) -> None:
    break_upstream(served, "stream: hangs before")
    response = served.chat("faulty", deadline_ms=300)
    assert response.status_code == 408 or response.json()["choices"][0]["finish_reason"] == "deadline"


def test_the_error_is_the_first_models_when_all_fail(served: Served) -> None:
    served.upstream.script.append(upstream_faults()["stream: 500"].answer)
    response = served.chat("second")
    assert response.status_code == 503
    assert response.json()["error"]["code"] == "upstream_unavailable"


def test_a_retry_with_an_idempotency_key_gets_the_same_answer(served: Served) -> None:
    headers = {"idempotency-key": "once"}
    first, second = served.chat("dead", headers=headers), served.chat("dead", headers=headers)
    assert first.json() == second.json()
    assert second.headers["idempotent-replayed"] == "true"
    assert second.headers[HEADER] == MODEL


def test_a_budget_is_held_for_the_model_that_answers(served: Served) -> None:
    """4 tokens of the requested model cost 0.000004, of the fallback 0.00401."""
    poor = served.key(budget={"money": 0.001, "period": "ever"})
    assert served.chat("dead", poor).status_code == 403
    enough = served.key(budget={"money": 0.0042, "period": "ever"})
    assert served.chat("dead", enough).status_code == 200
    assert served.chat("dead", enough).status_code == 403


def test_limits_count_a_request_once(served: Served) -> None:
    key = served.key(limits={"requests_per_minute": 2, "concurrency": 1})
    assert [served.chat("dead", key).status_code for _ in range(3)] == [200, 200, 429]


def test_the_ledger_has_one_row_for_each_request(served: Served) -> None:
    key = served.key(project="rows")
    for model in ("dead", "first", "upstream"):
        assert served.chat(model, key).status_code == 200
    report = served.client.get("/admin/usage", params={"by": "model", "project": "rows"}).json()
    assert {row["group"]["model"]: row["requests"] for row in report["data"]} == {MODEL: 1, "upstream": 2}


def test_metrics_count_the_model_that_answers(served: Served) -> None:
    def count(model: str) -> float:
        lines = served.client.get("/metrics").text.splitlines()
        names = ("forefront_request_success_total", "vllm:request_success_total")
        found = [line for line in lines if line.startswith(names) and f'model_name="{model}"' in line]
        return sum(float(line.rpartition(" ")[2]) for line in found)

    before = count(MODEL), count("dead")
    served.chat("dead")
    assert (count(MODEL), count("dead")) == (before[0] + 1, before[1])


def test_the_status_shows_replicas_to_administrators(served: Served) -> None:
    served.chat("dead")
    models = served.client.get("/admin/status").json()["models"]
    (replica,) = models["dead"]["replicas"]
    assert replica["state"] == "closed"
    assert replica["failures"] > 0
    assert replica["last_error"] == "unreachable: upstream_unavailable"
    assert replica["outstanding_tokens"] == 0
    assert replica["address"].startswith("http://127.0.0.1:")
    assert models[MODEL]["replicas"] == []
