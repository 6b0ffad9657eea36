"""The results of a run as small PNG files."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final

import matplotlib as mpl
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from benchmarks.comparison.plan import Plan
from benchmarks.comparison.results import Results
from benchmarks.comparison.run import LIMITS
from benchmarks.limits.model_speed import PREFILL
from benchmarks.limits.roofline import Limits, read_limits
from benchmarks.peers.forefront_server import NAME as FOREFRONT
from benchmarks.peers.llama_server import NAME as LLAMA_SERVER
from benchmarks.peers.openvino_genai import NAME as GENAI

_COLOURS: Final = {FOREFRONT: "#1f5fbf", LLAMA_SERVER: "#d9822b", GENAI: "#7a8793"}
_STYLE: Final[Any] = {"font.size": 8, "axes.spines.top": False, "axes.spines.right": False, "svg.fonttype": "none"}
_DPI: Final = 110
_TITLES: Final = {
    "throughput": "output tokens/s",
    "first_token_p50": "median time to first token, s",
    "gap_p99": "p99 between tokens, ms",
}


def write_plots(results: Results, plan: Plan, folder: Path) -> list[Path]:
    """Write those that the results allow into `folder`."""
    written = []
    with mpl.rc_context(_STYLE):
        for model in plan.models:
            parts = {part["part"]: part for part in results.parts(model)}
            figures = {
                "streams": _streams(model, parts),
                "roofline": _roofline(model, parts),
                "goodput": _goodput(model, parts),
            }
            for name, figure in figures.items():
                if figure is not None:
                    folder.mkdir(parents=True, exist_ok=True)
                    path = folder / f"{name}-{model}.png"
                    figure.savefig(path, dpi=_DPI, metadata={"Software": None})
                    written.append(path)
    return written


def _streams(model: str, parts: Mapping[str, Any]) -> Figure | None:
    """Throughput and latencies of each peer by number of streams."""
    loops = {int(name.removeprefix("closed-")): part for name, part in parts.items() if name.startswith("closed-")}
    if not loops:
        return None
    figure = Figure(figsize=(7.2, 2.6), layout="constrained")
    figure.suptitle(model)
    for axes, (key, title) in zip(figure.subplots(1, len(_TITLES)), _TITLES.items(), strict=True):
        _bars(axes, {streams: loops[streams] for streams in sorted(loops)}, key)
        axes.set_title(title, fontsize=8)
        axes.set_xlabel("streams")
        if key != "throughput":
            axes.set_yscale("log")
    figure.legend(*figure.axes[0].get_legend_handles_labels(), frameon=False, loc="outside lower center", ncols=3)
    return figure


def _bars(axes: Axes, loops: Mapping[int, Any], key: str) -> None:
    names = [name for name in _COLOURS if any(name in part["peers"] for part in loops.values())]
    width = 0.8 / len(names)
    for number, name in enumerate(names):
        factor = 1000 if key.startswith("gap") else 1
        values = [factor * (part["peers"].get(name, {}).get("median", {}).get(key) or 0) for part in loops.values()]
        places = [place + (number - (len(names) - 1) / 2) * width for place in range(len(loops))]
        axes.bar(places, values, width, label=name, color=_COLOURS[name])
    axes.set_xticks(range(len(loops)), [str(streams) for streams in loops])


def _roofline(model: str, parts: Mapping[str, Any]) -> Figure | None:
    """Operations per second by operations per byte of weights: the limits, and the engine below them."""
    if LIMITS not in parts:
        return None
    limits, speed = read_limits(parts[LIMITS]), parts[LIMITS]["speed"]
    figure = Figure(figsize=(4.2, 3.0), layout="constrained")
    axes = figure.subplots()
    points = _roofline_points(limits, speed)
    intensities = [min(point[1] for point in points) / 2, max(point[1] for point in points) * 2]
    grid = [intensities[0] * (intensities[1] / intensities[0]) ** (step / 100) for step in range(101)]
    for peak, label, style in ((limits.peak, "int8 products", "-"), (limits.float32, "float32 products", "--")):
        axes.plot(
            grid, [min(each * limits.bandwidth, peak) / 1e9 for each in grid], style, color="#7a8793", label=label
        )
    for title, intensity, operations in points:
        share = operations / min(intensity * limits.bandwidth, limits.peak)
        place, text = (intensity, operations / 1e9), f"{title}: {100 * share:.0f} %"
        is_last = intensity == max(point[1] for point in points)
        axes.plot(*place, "o", color=_COLOURS[FOREFRONT])
        axes.annotate(text, place, (0, -12), textcoords="offset points", ha="right" if is_last else "left")
    axes.set_ylim(min(point[2] for point in points) / 2e9, 2 * limits.peak / 1e9)
    axes.set_xscale("log")
    axes.set_yscale("log")
    axes.set_xlabel("operations per byte of weights")
    axes.set_ylabel("10⁹ operations per second")
    axes.set_title(f"{model}: the engine and the machine's limits", fontsize=8)
    axes.legend(frameon=False, fontsize=7)
    return figure


def _roofline_points(limits: Limits, speed: Mapping[str, Any]) -> list[tuple[str, float, float]]:
    """Title, operations per byte, and operations per second of each measured speed."""
    points = [
        (
            f"decode, {streams}",
            int(streams) * limits.token_operations / limits.weight_bytes,
            rate * limits.token_operations,
        )
        for streams, rate in speed["decode"].items()
    ]
    prefill = limits.layer_operations * PREFILL / limits.weight_bytes
    return [*points, (f"prefill, {PREFILL}", prefill, speed["prefill"] * limits.layer_operations)]


def _goodput(model: str, parts: Mapping[str, Any]) -> Figure | None:
    """The share of good answers of each peer by the rate of requests."""
    if "open-loop" not in parts:
        return None
    figure = Figure(figsize=(4.2, 2.4), layout="constrained")
    axes = figure.subplots()
    for name, peer in parts["open-loop"]["peers"].items():
        rates = [figures["rate"] for figures in peer["rates"]]
        shares = [100 * figures["good"] for figures in peer["rates"]]
        axes.plot(rates, shares, "o-", label=name, color=_COLOURS[name])
    axes.set_xscale("log")
    axes.set_ylim(0, 105)
    axes.set_xlabel("requests per second (Poisson)")
    axes.set_ylabel("good answers, %")
    axes.set_title(f"{model}: first token ≤ 1 s, p95 between tokens ≤ 100 ms", fontsize=8)
    axes.legend(frameon=False, fontsize=7)
    return figure
