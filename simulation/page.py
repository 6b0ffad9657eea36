"""The page `docs/simulation.md`: the text of `page.md`, with tables, and its figures."""

from collections.abc import Callable
from pathlib import Path
from typing import Final

from simulation.cluster import HEARTBEAT_SECONDS
from simulation.plots import Value, plot_burst, plot_table
from simulation.replica import BLOCK_SIZE
from simulation.scenarios import (
    AMPLE_CACHE,
    BURST_AT,
    DEFAULT_TARGET,
    SLOWNESS,
    SMALL_CACHE,
    TENANTS_PER_REPLICA,
    USUAL_RATE,
    Scenarios,
    Table,
)
from simulation.service_times import ServiceTimes
from simulation.summary import GOOD_SECONDS, Summary

_TEXT: Final = Path(__file__).parent / "page.md"
_HIT_RATE: Final[tuple[str, Value]] = ("hit rate", lambda it: it.hit_rate)
_COMPUTED: Final[tuple[str, Value]] = ("prompt tokens computed per request", lambda it: it.computed_tokens)
_P50: Final[tuple[str, Value]] = ("time to first token, p50 (s)", lambda it: it.ttft_p50)
_P99: Final[tuple[str, Value]] = ("time to first token, p99 (s)", lambda it: it.ttft_p99)
_GOODPUT: Final[tuple[str, Value]] = ("goodput (requests/s)", lambda it: it.goodput)
_PLACEMENT: Final[tuple[str, Value]] = ("CPU of a decision (µs)", lambda it: it.placement_us)
_CELLS: Final[dict[str, Callable[[Summary], str]]] = {
    "requests": lambda it: f"{it.requests:,}",
    "hit rate": lambda it: f"{100 * it.hit_rate:.0f} %",
    "prompt tokens computed per request": lambda it: f"{it.computed_tokens:.0f}",
    "TTFT p50": lambda it: f"{it.ttft_p50:.2f} s",
    "TTFT p99": lambda it: f"{it.ttft_p99:.2f} s",
    "goodput": lambda it: f"{it.goodput:.1f}/s",
    "moved": lambda it: f"{it.moved}",
    "errors": lambda it: f"{it.errors}",
    "pause p99": lambda it: f"{it.pause_p99:.1f} s",
    "decision": lambda it: f"{it.placement_us:.0f} µs",
}
_USUAL: Final = ("hit rate", "prompt tokens computed per request", "TTFT p50", "TTFT p99", "goodput")


def write_page(scenarios: Scenarios, times: ServiceTimes, page: Path, figures: Path) -> None:
    """Run everything; write the page and its figures."""
    load = scenarios.load()
    plot_table(figures / "simulation-load.png", load, "conversations per second and replica", (_GOODPUT, _P50, _P99))
    cache = scenarios.cache()
    by_tokens: Table = {
        name: {blocks * BLOCK_SIZE: it for blocks, it in summaries.items()} for name, summaries in cache.items()
    }
    tokens = "KV cache of a replica (tokens)"
    plot_table(figures / "simulation-cache.png", by_tokens, tokens, (_HIT_RATE, _COMPUTED), log=True)
    replicas = scenarios.replicas()
    plot_table(figures / "simulation-replicas.png", replicas, "replicas", (_HIT_RATE, _P99, _PLACEMENT), log=True)
    servers = scenarios.servers()
    plot_table(figures / "simulation-servers.png", servers, "servers", (_HIT_RATE, _COMPUTED), log=True)
    slow = scenarios.slow_replicas()
    plot_table(figures / "simulation-slow.png", slow, "part of slow replicas", (_P50, _P99))
    failures = scenarios.failures()
    plot_burst(figures / "simulation-burst.png", scenarios.burst(), BURST_AT)
    small, ample = (
        cache["random"][size].computed_tokens / cache["prefix"][size].computed_tokens
        for size in (SMALL_CACHE, AMPLE_CACHE)
    )
    text = _TEXT.read_text().format(
        command=times.command,
        model=times.model,
        machine=times.machine,
        step_ms=1000 * times.step_seconds,
        decode_ms=1000 * times.seconds_per_decode,
        prompt_ms=1000 * times.seconds_per_prompt_token,
        slowness=SLOWNESS,
        max_running=times.max_running,
        prefill_tokens=times.prefill_tokens,
        prefill_beside=times.prefill_tokens_beside_decodes,
        load_seconds=times.load_seconds,
        tenants=TENANTS_PER_REPLICA,
        small_tokens=SMALL_CACHE * BLOCK_SIZE,
        ample_tokens=AMPLE_CACHE * BLOCK_SIZE,
        good_seconds=GOOD_SECONDS,
        usual_rate=USUAL_RATE,
        default_target=DEFAULT_TARGET,
        small_ratio=small,
        ample_ratio=ample,
        load_table=_table({name: {USUAL_RATE: it[USUAL_RATE]} for name, it in load.items()}, "", _USUAL),
        cache_table=_table(by_tokens, "KV cache (tokens)", _USUAL[:2]),
        replicas_table=_table(replicas, "replicas", ("requests", "hit rate", "TTFT p50", "TTFT p99", "decision")),
        servers_table=_table(servers, "servers", _USUAL),
        slow_table=_table(slow, "slow replicas", ("TTFT p50", "TTFT p99", "goodput")),
        failures_table=_table(
            failures, "mean life (s)", ("requests", "moved", "errors", "pause p99", "hit rate", "TTFT p99")
        ),
        cost_table=_costs(replicas["prefix"]),
    )
    page.parent.mkdir(parents=True, exist_ok=True)
    page.write_text(text)


def _table(table: Table, label: str, columns: tuple[str, ...]) -> str:
    """A table of Markdown: a row for each router and value."""
    names = ["routing"] * (len(table) > 1) + [label] * bool(label)
    rows = [[*names, *columns], ["---"] * (len(names) + len(columns))]
    for name, summaries in table.items():
        for value, summary in summaries.items():
            cells = [name] * (len(table) > 1) + [f"{value:,g}"] * bool(label)
            rows.append(cells + [_CELLS[column](summary) for column in columns])
    return "\n".join("| " + " | ".join(row) + " |" for row in rows)


def _costs(summaries: dict[float, Summary]) -> str:
    """A server's CPU time for routing, in the runs with so many replicas."""
    head = ("replicas", "decision", "heartbeat", "100 decisions per second", "heartbeats of all replicas")
    rows = [head, ("---",) * len(head)]
    for count, it in summaries.items():
        decisions = 100 * it.placement_us / 1e6
        heartbeats = count / HEARTBEAT_SECONDS * it.heartbeat_us / 1e6
        costs = (f"{it.placement_us:.0f} µs", f"{it.heartbeat_us:.1f} µs")
        rows.append((f"{count:,}", *costs, f"{100 * decisions:.1f} % of a core", f"{100 * heartbeats:.2f} % of a core"))
    return "\n".join("| " + " | ".join(row) + " |" for row in rows)
