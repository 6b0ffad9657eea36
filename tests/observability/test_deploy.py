"""The files in deploy/: Grafana's schema reads the dashboard, and promtool accepts and evaluates the rules."""

import json
from pathlib import Path
from typing import Any

import pytest
from grafana_foundation_sdk.cog import plugins
from grafana_foundation_sdk.cog.encoder import JSONEncoder
from grafana_foundation_sdk.models.dashboard import Dashboard

from tests.support.programs.prometheus import promtool

DASHBOARD = Path("deploy/grafana/forefront.json")
ALERTS = Path("deploy/prometheus/alerts.yml").resolve()


@pytest.fixture(scope="module")
def dashboard() -> dict[str, Any]:
    loaded: dict[str, Any] = json.loads(DASHBOARD.read_text())
    return loaded


def lost(given: Any, read: Any, path: str = "$") -> list[str]:
    """The paths of values that differ between `read` and `given`."""
    if isinstance(given, dict) and isinstance(read, dict):
        return [one for key, value in given.items() for one in lost(value, read.get(key), f"{path}.{key}")]
    if isinstance(given, list) and isinstance(read, list) and len(given) == len(read):
        return [one for place, value in enumerate(given) for one in lost(value, read[place], f"{path}[{place}]")]
    return [] if given == read else [path]


def read_by_grafana(dashboard: dict[str, Any]) -> Any:
    """The dashboard as Grafana's own types hold it."""
    return json.loads(json.dumps(Dashboard.from_json(dashboard), cls=JSONEncoder))


def test_grafana_knows_every_field(dashboard: dict[str, Any]) -> None:
    plugins.register_default_plugins()
    assert lost(dashboard, read_by_grafana(dashboard)) == []
    misspelt = json.loads(DASHBOARD.read_text().replace('"legendFormat"', '"legendText"'))
    assert any("legendText" in path for path in lost(misspelt, read_by_grafana(misspelt)))


def test_the_panels_do_not_overlap(dashboard: dict[str, Any]) -> None:
    taken: set[tuple[int, int]] = set()
    for panel in dashboard["panels"]:
        place = panel["gridPos"]
        cells = {(x + place["x"], y + place["y"]) for x in range(place["w"]) for y in range(place["h"])}
        assert not cells & taken, panel["title"]
        assert all(x < 24 for x, _ in cells)
        taken |= cells
    ids = [panel["id"] for panel in dashboard["panels"]]
    assert len(ids) == len(set(ids))


def test_every_query_of_the_dashboard_is_promql(dashboard: dict[str, Any], tmp_path: Path) -> None:
    queries = [target["expr"] for panel in dashboard["panels"] for target in panel.get("targets", ())]
    assert len(queries) > 25
    rules = [
        {"record": f"panel:{number}", "expr": query.replace("$__rate_interval", "5m")}
        for number, query in enumerate(queries)
    ]
    path = tmp_path / "rules.json"  # JSON is YAML
    path.write_text(json.dumps({"groups": [{"name": "dashboard", "rules": rules}]}))
    assert f"{len(queries)} rules found" in promtool("check", "rules", str(path))


def test_the_rules_are_valid() -> None:
    assert "rules found" in promtool("check", "rules", str(ALERTS))
    promtool("check", "config", "--syntax-only", "deploy/prometheus/prometheus.yml")


def series(text: str, values: str) -> dict[str, str]:
    name, _, labels = text.partition("{")
    return {"series": f'forefront_{name}{{instance="a",{labels or "}"}', "values": values}


def test_the_alerts_fire_and_stay_quiet(tmp_path: Path) -> None:
    """Two servers, a minute between scrapes: one in trouble, one that works."""
    trouble = [
        {"series": 'up{job="forefront",instance="a"}', "values": "0x30"},
        series("ledger_up", "0x30"),
        series('http_requests_total{status="200"}', "0+80x30"),
        series('http_requests_total{status="503"}', "0+20x30"),
        series('request_success_total{model_name="m",finished_reason="stop"}', "0+8x30"),
        series('request_success_total{model_name="m",finished_reason="error"}', "0+2x30"),
        series('errors_total{code="overloaded"}', "0+5x30"),
        series('engine_restarts_total{model_name="m"}', "0x10 1x20"),
        series('kv_cache_usage_perc{model_name="m"}', "0.99x30"),
        series('num_preemptions_total{model_name="m"}', "0+3x30"),
        series('model_state{model_name="m",state="failed"}', "1x30"),
        series("body_memory_bytes", "95x30"),
        series("body_memory_limit_bytes", "100x30"),
    ]
    labels = {
        "ledger_write_seconds": ("1.0", "", "2.5"),
        "event_loop_lag_seconds": ("0.25", "", "0.5"),
        "request_queue_time_seconds": ("10.0", 'model_name="m",', "15.0"),
        "time_to_first_token_seconds": ("20.0", 'model_name="m",', "40.0"),
        "inter_token_latency_seconds": ("1.0", 'model_name="m",', "2.5"),
    }
    for name, (below, more, above) in labels.items():
        trouble.append(series(f'{name}_bucket{{{more}le="{below}"}}', "0x30"))
        trouble.append(series(f'{name}_bucket{{{more}le="{above}"}}', "0+9x30"))
        trouble.append(series(f'{name}_bucket{{{more}le="+Inf"}}', "0+9x30"))
    calm = [
        {"series": 'up{job="forefront",instance="b"}', "values": "1x30"},
        {"series": 'forefront_ledger_up{instance="b"}', "values": "1x30"},
        {"series": 'forefront_http_requests_total{instance="b",status="200"}', "values": "0+100x30"},
        {"series": 'forefront_http_requests_total{instance="b",status="503"}', "values": "0+1x30"},
    ]
    names = [line.split()[-1] for line in ALERTS.read_text().splitlines() if "- alert:" in line]
    count = "count by (alertname, instance) (ALERTS{alertstate='firing'})"
    expected = [{"labels": f'{{alertname="{name}", instance="a"}}', "value": 1} for name in names]
    test = {
        "interval": "1m",
        "input_series": trouble + calm,
        "promql_expr_test": [{"expr": count, "eval_time": "20m", "exp_samples": expected}],
    }
    path = tmp_path / "test.json"
    path.write_text(json.dumps({"rule_files": [str(ALERTS)], "evaluation_interval": "1m", "tests": [test]}))
    promtool("test", "rules", str(path))
