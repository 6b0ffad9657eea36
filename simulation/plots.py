"""Figures of the page."""

import itertools
from collections.abc import Callable, Sequence
from pathlib import Path

import matplotlib as mpl
import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from simulation.cluster import Result
from simulation.scenarios import Table
from simulation.summary import Summary

_COLORS = {"random": "#999999", "power of two": "#d9822b", "prefix": "#1f77b4"}

Value = Callable[[Summary], float]


def plot_table(path: Path, table: Table, label: str, panels: Sequence[tuple[str, Value]], *, log: bool = False) -> None:
    """One panel for each of `panels`, a line for each router."""
    figure, axes = _figure(len(panels))
    for axis, (title, value) in zip(axes, panels, strict=True):
        for name, summaries in table.items():
            axis.plot(
                list(summaries), [value(it) for it in summaries.values()], "o-", color=_COLORS[name], label=name, ms=4
            )
        axis.set_title(title, fontsize=10)
        axis.set_xlabel(label)
        axis.set_ylim(bottom=0)
        if log:
            axis.set_xscale("log")
    if len(table) > 1:
        axes[0].legend(fontsize=8)
    _save(figure, path)


def plot_burst(path: Path, results: dict[float, Result], burst: tuple[float, float]) -> None:
    """Replicas and time to first token over time."""
    figure, (sizes, waits) = _figure(2)
    for (load, result), color in zip(results.items(), ("#d9822b", "#1f77b4"), strict=True):
        label = f"target_load {load:g}"
        sizes.step([it[0] for it in result.sizes], [it[1] for it in result.sizes], color=color, label=label)
        arrived = np.array([it.arrived_at for it in result.requests])
        seconds = np.array([(it.first_token_at or it.arrived_at) - it.arrived_at for it in result.requests])
        edges = np.arange(0, arrived.max() + 10, 10)
        middles, medians = [], []
        for start, end in itertools.pairwise(edges):
            inside = seconds[(arrived >= start) & (arrived < end)]
            if len(inside):
                middles.append((start + end) / 2)
                medians.append(float(np.quantile(inside, 0.9)))
        waits.plot(middles, medians, color=color, label=label)
    for axis, title in ((sizes, "replicas that answer"), (waits, "time to first token, p90 of 10 s (s)")):
        axis.axvspan(*burst, color="#eeeeee", zorder=0)
        axis.set_title(title, fontsize=10)
        axis.set_xlabel("seconds; the burst is grey")
        axis.set_ylim(bottom=0)
        axis.legend(fontsize=8)
    _save(figure, path)


def _figure(panels: int) -> tuple[Figure, list[Axes]]:
    mpl.rcParams["svg.hashsalt"] = "forefront"
    figure = Figure(figsize=(3.6 * panels, 2.8), layout="constrained")
    axes = [figure.add_subplot(1, panels, place + 1) for place in range(panels)]
    for axis in axes:
        axis.grid(color="#e5e5e5")
        axis.spines[["top", "right"]].set_visible(False)
    return figure, axes


def _save(figure: Figure, path: Path) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    figure.savefig(path, dpi=90, metadata={"Software": None})
