"""The results of a run as Markdown."""

import math
from collections.abc import Iterator, Mapping, Sequence
from typing import Any, Final

from benchmarks.comparison.plan import Plan
from benchmarks.comparison.results import Results
from benchmarks.comparison.run import ALL_MODELS, LIMITS
from benchmarks.comparison.targets import rows
from benchmarks.limits.roofline import Limits, read_limits
from benchmarks.workloads import open_loop

_FIGURES: Final = (
    "throughput",
    "first_token_p50",
    "first_token_p95",
    "first_token_p99",
    "gap_p50",
    "gap_p95",
    "gap_p99",
)
_HEAD: Final = (
    "workload", "peer", "tokens/s", "TTFT p50 s", "p95", "p99", "between tokens p50 ms", "p95", "p99",
    "good", "of the limit", "J/token",
)  # fmt: skip


def report(results: Results, plan: Plan) -> str:
    """All tables, those of goals last."""
    sections = [f"# Comparison, plan {plan.name}\n", *_machines(results, plan)]
    for model in plan.models:
        parts = {part["part"]: part for part in results.parts(model)}
        sections += [f"## {model}\n", *_model_sections(parts)]
    if (http := results.read(ALL_MODELS, "http-path")) is not None:
        sections += ["## HTTP path\n", _http_table(http)]
    sections += ["## Goals\n", goals(results, plan)]
    return "\n".join(sections)


def goals(results: Results, plan: Plan) -> str:
    """One row for each goal and model, with its verdict, and the count of those met."""
    found = rows(results, tuple(plan.models), ALL_MODELS)
    cells = [[row.model, row.title, row.goal_text, row.figure_text, row.verdict] for row in found]
    met = sum(row.verdict == "met" for row in found)
    return (
        markdown(("model", "Forefront ÷ llama-server", "goal", "measured", ""), cells)
        + f"\n{met} of {len(found)} met.\n"
    )


def markdown(head: Sequence[str], cells: Sequence[Sequence[object]]) -> str:
    """A table."""
    lines = [f"| {' | '.join(head)} |", "|" + "---|" * len(head)]
    lines += [f"| {' | '.join(map(str, row))} |" for row in cells]
    return "\n".join(lines) + "\n"


def _model_sections(parts: Mapping[str, Any]) -> Iterator[str]:
    limits = read_limits(parts[LIMITS]) if LIMITS in parts else None
    cells: list[list[object]] = []
    for name, part in sorted(parts.items(), key=_order):
        if name not in (LIMITS, open_loop.NAME):
            cells += [_row(name, peer, content["median"], limits, name) for peer, content in part["peers"].items()]
    if open_loop.NAME in parts:
        for peer, content in parts[open_loop.NAME]["peers"].items():
            cells += [_row(f"Poisson {figures['rate']:g}/s", peer, figures, None, "") for figures in content["rates"]]
    yield markdown(_HEAD, cells)
    yield markdown(("peer", "peak memory MiB (PSS)", "RSS"), _memory(parts))
    if LIMITS in parts:
        yield _limits_table(parts[LIMITS])


def _order(item: tuple[str, Any]) -> tuple[str, int]:
    """Closed loops by their number of streams."""
    name, _, number = item[0].rpartition("-")
    return (name, int(number)) if number.isdigit() else (item[0], 0)


def _row(title: str, peer: str, figures: Mapping[str, Any], limits: Limits | None, part: str) -> list[object]:
    values = [_seconds(name, figures.get(name)) for name in _FIGURES]
    share = "—"
    if limits is not None and part.startswith("closed-"):
        minimum = limits.round_seconds(int(part.removeprefix("closed-")), figures["prompt_tokens"], figures["tokens"])
        share = f"{100 * minimum / figures['seconds']:.0f} %"
    return [title, peer, *values, f"{100 * figures['good']:.0f} %", share, _number(figures.get("joules_per_token"), 2)]


def _seconds(name: str, value: float | None) -> str:
    if name.startswith("gap"):
        return _number(None if value is None else 1000 * value, 0)
    return _number(value, 1 if name == "throughput" else 2)


def _number(value: float | None, digits: int) -> str:
    return "—" if value is None or math.isnan(value) else f"{value:.{digits}f}"


def _memory(parts: Mapping[str, Any]) -> list[list[object]]:
    peaks: dict[str, tuple[float, float]] = {}
    for part in parts.values():
        for name, peer in part.get("peers", {}).items():
            before, memory = peaks.get(name, (0.0, 0.0)), peer["memory"]
            peaks[name] = (max(before[0], memory["pss_mib"]), max(before[1], memory["rss_mib"]))
    return [[name, f"{pss:.0f}", f"{rss:.0f}"] for name, (pss, rss) in peaks.items()]


def _limits_table(part: Mapping[str, Any]) -> str:
    limits, speed = read_limits(part), part["speed"]
    cells: list[list[object]] = [
        ["memory, GB/s", f"{limits.bandwidth / 1e9:.1f}", ""],
        ["int8 products of the model's shapes, 512 tokens, GOPS", f"{limits.int8 / 1e9:.0f}", ""],
        ["int8 products, 32 tokens, GOPS", f"{limits.int8_batch / 1e9:.0f}", ""],
        ["float32 products, 512 tokens, GFLOPS", f"{limits.float32 / 1e9:.0f}", ""],
        _share("prefill of 512 tokens, tokens/s", speed["prefill"], limits.prefill_rate()),
    ]
    cells += [
        _share(f"decode of {streams} streams, tokens/s", rate, limits.decode_rate(int(streams)))
        for streams, rate in speed["decode"].items()
    ]
    return markdown(("engine and limit, without HTTP", "measured", "of the limit"), cells)


def _share(title: str, measured: float, limit: float) -> list[object]:
    return [title, f"{measured:.0f}", f"{100 * measured / limit:.0f} % of {limit:.0f}"]


def _http_table(part: Mapping[str, Any]) -> str:
    cells = []
    for name, way in part["ways"].items():
        for clients, figures in way.items():
            if clients != "memory_mib":
                row = [f"{figures['requests_per_second']:.0f}", f"{figures['median_ms']:.2f}"]
                cells.append([name, clients, *row, f"{figures['processor_us']:.0f}", f"{way['memory_mib']:.0f}"])
    return markdown(("path", "clients", "requests/s", "median ms", "processor µs", "memory MiB"), cells)


def _machines(results: Results, plan: Plan) -> list[str]:
    """The machine at the first part, and the versions of the peers."""
    parts = [part for model in (*plan.models, ALL_MODELS) for part in results.parts(model)]
    lines = [min(parts, key=lambda part: part["time"])["machine"]] if parts else []
    versions = {f"{name}: {peer['version']}": None for part in parts for name, peer in part.get("peers", {}).items()}
    return ["\n".join(f"- {line}" for line in [*lines, *versions]) + "\n"]
