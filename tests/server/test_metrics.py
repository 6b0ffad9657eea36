"""`GET /metrics`: the counts of requests, access, and the labels."""

import json
import re
import socket
import time
from collections.abc import Iterable, Iterator
from pathlib import Path

import httpx
import pytest
from prometheus_client.core import Metric
from prometheus_client.openmetrics.parser import text_string_to_metric_families as parse_open_metrics

from forefront.cli.settings.config import Config
from forefront.cli.settings.sections import PriceSettings
from forefront.gateway.keys.key_store import KeyStore
from forefront.gateway.store.database import open_database
from forefront.server.metrics.families import PREFIX
from forefront.upstream.spec import UpstreamSpec
from forefront.wire.admin.records import NewKey
from forefront.wire.errors import ERRORS
from tests.support.backends import clustered
from tests.support.backends.instant import KEY, MODEL, PROMPT, InstantBackend, Nursery
from tests.support.ports import free_port
from tests.support.programs.prometheus import Samples, promtool
from tests.support.server import run_server

CHAT = "/v1/chat/completions"
BODY = {"model": MODEL, "messages": [{"role": "user", "content": "Hello"}], "max_tokens": 5}
SECRET = "a text that only the client knows"


@pytest.fixture(scope="module")
def store(tmp_path_factory: pytest.TempPathFactory) -> str:
    return f"sqlite:///{tmp_path_factory.mktemp('store') / 'forefront.db'}"


@pytest.fixture(scope="module")
def client(store: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[httpx.Client]:
    """A client of a server whose answers take no time; the module's tests share its counts."""
    settings = Config(prices={MODEL: PriceSettings(input=1.0, output=2.0)})
    log = tmp_path_factory.mktemp("log") / "log"
    upstream = UpstreamSpec("remote", ("http://127.0.0.1:9/v1",), "m", dialect="generic", context_length=4096)
    backends = {MODEL: InstantBackend(), clustered.MODEL: clustered.ClusteredInstant()}
    with (
        Nursery().serve(store, log, settings=settings, backends=backends, upstreams=[upstream]) as server,
        httpx.Client(base_url=server.url, headers={"authorization": f"Bearer {KEY}"}) as client,
    ):
        yield client


def scrape(client: httpx.Client) -> Samples:
    response = client.get("/metrics")
    assert response.status_code == 200
    return Samples(response.text)


def complete(client: httpx.Client, **fields: object) -> httpx.Response:
    return client.post(CHAT, json=BODY | fields)


def test_requests_are_counted_and_add_up_to_the_ledger(client: httpx.Client) -> None:
    before = scrape(client)
    for fields in ({}, {"max_tokens": 3}, {"stream": True}, {"stream": True, "max_tokens": 40}):
        assert complete(client, **fields).status_code == 200
    after = scrape(client)

    def added(name: str, **labels: str) -> float:
        return after(name, model_name=MODEL, **labels) - before(name, model_name=MODEL, **labels)

    assert added("request_success_total", finished_reason="length") == 4
    assert added("prompt_tokens_total") == added("prefix_cache_queries_total") == 4 * PROMPT
    assert added("generation_tokens_total") == 5 + 3 + 5 + 40
    assert added("inter_token_latency_seconds_count") == 4 + 2 + 4 + 39
    for histogram in ("time_to_first_token", "e2e_request_latency", "request_queue_time", "request_prefill_time"):
        assert added(f"{histogram}_seconds_count") == 4
    assert added("request_generation_tokens_bucket", le="5.0") == 3
    assert after("num_requests_running", model_name=MODEL) == after("num_requests_waiting", model_name=MODEL) == 0
    assert after("ledger_up") == 1
    assert after("ledger_write_seconds_count") - before("ledger_write_seconds_count") == 4

    [day] = client.get("/admin/usage", params={"by": "model"}).json()["data"]
    total = scrape(client)
    assert day["input_tokens"] == total("prompt_tokens_total", model_name=MODEL)
    assert day["output_tokens"] == total("generation_tokens_total", model_name=MODEL)
    assert day["cached_tokens"] == total("prefix_cache_hits_total", model_name=MODEL)
    assert day["cost"] == pytest.approx(total("cost_total", model_name=MODEL))
    reasons = total.labels("request_success_total")
    assert day["requests"] == sum(total("request_success_total", **labels) for labels in reasons)


def test_an_upstream_that_fails_shows_in_its_metrics(client: httpx.Client) -> None:
    assert complete(client, model="remote").status_code == 503
    after = scrape(client)
    [labels] = after.labels("upstream_ejections_total")
    assert labels["model_name"] == "remote"
    assert after("upstream_failures_total", **labels) >= 1
    assert sum(after("upstream_state", **labels, state=state) for state in ("closed", "open", "half_open")) == 1
    assert after("upstream_outstanding_tokens", **labels) == after("upstream_requests_running", **labels) == 0


def test_errors_are_counted_by_code(client: httpx.Client) -> None:
    before = scrape(client)
    assert complete(client, model="nothing").status_code == 404
    assert complete(client, max_tokens=0).status_code == 422
    assert client.post(CHAT, content=b"{").status_code == 400
    assert client.get("/nowhere").status_code == 404
    assert client.put("/v1/models").status_code == 405
    assert client.get("/v1/models", headers={"authorization": "Bearer wrong"}).status_code == 401
    after = scrape(client)
    codes = {code: after("errors_total", code=code) - before("errors_total", code=code) for code in ERRORS}
    expected = ("model_not_found", "invalid_value", "invalid_json", "unknown_url", "method_not_allowed")
    assert {code: count for code, count in codes.items() if count} == dict.fromkeys((*expected, "invalid_api_key"), 1)
    assert after("http_requests_total", method="GET", route="/v1/models", status="401") == 1


def test_a_non_http_request_is_counted(client: httpx.Client) -> None:
    before = scrape(client)("errors_total", code="invalid_http")
    with socket.create_connection((client.base_url.host, client.base_url.port or 0), timeout=20) as connection:
        connection.sendall(b"NOT HTTP\r\n\r\n")
        assert connection.recv(1024).startswith(b"HTTP/1.1 400 ")
    assert scrape(client)("errors_total", code="invalid_http") == before + 1


def test_client_text_is_never_a_label(client: httpx.Client, store: str) -> None:
    series = len(scrape(client).labels("http_requests_total"))
    for number in range(30):
        complete(client, model=f"{SECRET} {number}")
        client.request("PROPFIND", f"/{SECRET}/{number}")
        client.get(f"/v1/models/{SECRET}{number}")
        client.get(f"/v1/usage/{SECRET}{number}")
        client.get(f"/admin/keys/{SECRET}{number}", params={"x": SECRET})
        client.post(CHAT, json=BODY, headers={"idempotency-key": f"{number}", "user-agent": SECRET})
    text = client.get("/metrics").text
    database = open_database(store)
    key = KeyStore(database).list_keys()[0]
    database.close()
    for private in (SECRET, SECRET.replace(" ", "%20"), KEY, key.id, key.name, key.project):
        assert private not in text
    labels = Samples(text).labels("http_requests_total")
    assert len(labels) < series + 12
    assert {"method": "other", "route": "unknown", "status": "404"} in labels
    assert {"method": "GET", "route": "/v1/models/{id}", "status": "404"} in labels


def test_a_disconnect_is_an_abort(tmp_path: Path) -> None:
    with (
        Nursery().serve(f"sqlite:///{tmp_path / 'f.db'}", tmp_path / "log", pause=0.01) as server,
        httpx.Client(base_url=server.url, headers={"authorization": f"Bearer {KEY}"}) as client,
    ):
        with client.stream("POST", CHAT, json=BODY | {"stream": True, "max_tokens": 10_000}) as response:
            lines = response.iter_lines()  # its end would close the connection
            next(lines)
            assert scrape(client)("num_requests_running", model_name=MODEL) == 1
        deadline = time.monotonic() + 60
        while (now := scrape(client))("request_success_total", model_name=MODEL, finished_reason="abort") < 1:
            assert time.monotonic() < deadline
            time.sleep(0.02)
        assert now("num_requests_running", model_name=MODEL) == 0


def test_scopes(client: httpx.Client, store: str) -> None:
    database = open_database(store)
    keys = KeyStore(database)
    made = {scope: keys.create(NewKey(name=scope, scopes=[scope])).key for scope in ("metrics", "chat", "models")}
    database.close()

    def status(path: str, scope: str) -> int:
        return client.get(path, headers={"authorization": f"Bearer {made[scope]}"}).status_code

    assert status("/metrics", "metrics") == 200
    assert status("/metrics", "chat") == status("/metrics", "models") == 403
    assert status("/v1/models", "metrics") == status("/admin/status", "metrics") == 403
    assert httpx.get(f"{client.base_url}/metrics").status_code == 401


@pytest.mark.parametrize(
    ("accept", "open_metrics"),
    [
        ("", False),
        ("*/*", False),
        ("text/plain;version=0.0.4;q=0.5,*/*;q=0.1", False),
        ("application/openmetrics-text;version=1.0.0,text/plain;q=0.5", True),
        ("application/openmetrics-text; version=nonsense; escaping=x;;=", True),
        (",;,application/openmetrics-text-x,;version", False),
    ],
)
def test_formats(client: httpx.Client, accept: str, open_metrics: bool) -> None:
    response = client.get("/metrics", headers={"accept": accept})
    assert response.status_code == 200
    if open_metrics:
        assert response.headers["content-type"].startswith("application/openmetrics-text; version=1.0.0")
        parsed: Iterable[Metric] = parse_open_metrics(response.text)  # type: ignore[no-untyped-call]
        names = {family.name for family in parsed}
    else:
        assert response.headers["content-type"].startswith("text/plain; version=0.0.4")
        names = {family.name for family in Samples(response.text).families}
    assert f"{PREFIX}time_to_first_token_seconds" in names
    assert "process_resident_memory_bytes" in names


def test_promtool_accepts_a_scrape(client: httpx.Client) -> None:
    complete(client, stream=True)
    assert promtool("check", "metrics", standard_input=client.get("/metrics").text).strip() == ""


@pytest.mark.slow
def test_the_metrics_can_have_a_port_of_their_own(tmp_path: Path) -> None:
    port = free_port()
    with run_server([], tmp_path / "home", environment={"FOREFRONT_METRICS_PORT": str(port)}) as server:
        own = f"http://127.0.0.1:{port}"
        fields = {"messages": [{"role": "user", "content": "Hello"}], "model": "forefront-mini", "max_tokens": 2}
        with server.client() as client:
            assert client.post(CHAT, json=fields).status_code == 200
            assert client.get("/metrics").status_code == 200
        samples = Samples(httpx.get(f"{own}/metrics").text)
        assert samples("generation_tokens_total", model_name="forefront-mini") == 2
        assert samples("engine_tokens_total", model_name="forefront-mini") == 2
        assert 0 <= samples("kv_cache_usage_perc", model_name="forefront-mini") <= 1
        for path in ("/v1/models", "/admin/status", CHAT, "/metrics/"):
            assert httpx.get(own + path).status_code == 404
        assert httpx.post(f"{own}/metrics").status_code == 405
        assert server.stop() == 0


def test_the_page_lists_every_metric(client: httpx.Client) -> None:
    complete(client)
    page = Path("docs/operate/monitoring.md").read_text()
    families = [family for family in scrape(client).families if family.name.startswith(PREFIX)]
    shown = {}
    for family in families:
        name = family.name + ("_total" if family.type == "counter" else "")
        labels = sorted({label for sample in family.samples for label in sample.labels} - {"le"})
        shown[name] = (family.type, labels, family.documentation)
    rows = re.findall(r"^\| `(forefront_\w+)` \| (\w+) \| ([^|]*) \| ([^|]*) \| [^|]* \|$", page, re.MULTILINE)
    listed = {name: (kind, re.findall(r"`(\w+)`", labels), text.strip()) for name, kind, labels, text in rows}
    assert listed == shown, "\n" + table(shown)


def table(shown: dict[str, tuple[str, list[str], str]]) -> str:
    """The rows that the page should have, without the column of correspondences."""
    return "\n".join(
        f"| `{name}` | {kind} | {', '.join(f'`{label}`' for label in labels)} | {text} | |"
        for name, (kind, labels, text) in shown.items()
    )


def test_the_dashboard_and_the_alerts_use_metrics_that_exist(client: httpx.Client) -> None:
    exposed = set(re.findall(r"^(\w+)(?:\{| )", client.get("/metrics").text, re.MULTILINE))
    used: set[str] = set()
    for path in (Path("deploy/grafana/forefront.json"), Path("deploy/prometheus/alerts.yml")):
        text = json.dumps(json.loads(path.read_text())) if path.suffix == ".json" else path.read_text()
        used |= set(re.findall(r"\b(?:forefront|process)_[a-z0-9_]+\b", text))
    assert len(used) > 25
    assert used - exposed == set()
