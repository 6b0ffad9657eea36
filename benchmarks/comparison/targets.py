"""The goals of the comparison, and which of them a run meets."""

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

from benchmarks.comparison.results import Results
from benchmarks.comparison.session import LLAMA_WITH_DRAFTS
from benchmarks.limits.roofline import read_limits
from benchmarks.peers.forefront_server import NAME as FOREFRONT
from benchmarks.peers.litellm import NAME as LITELLM
from benchmarks.peers.llama_server import NAME as LLAMA_SERVER
from benchmarks.suites.upstream import DIRECT

_HALF: Final = 0.5
_MISSING: Final = "not measured"


@dataclass(frozen=True, slots=True)
class Goal:
    """`read` returns a figure from the parts of a model, or None if it was not measured. `goal`: by model, or for every
    one. `at_least`: whether more is better."""

    title: str
    read: Callable[[Mapping[str, Any]], float | None]
    goal: float | Mapping[str, float]
    at_least: bool

    def for_model(self, model: str) -> float | None:
        """The goal for a model; None if it has none."""
        return self.goal if isinstance(self.goal, float) else self.goal.get(model)


@dataclass(frozen=True, slots=True)
class Row:
    """A goal and the figure of a run. `figure` is infinite where only Forefront had any."""

    model: str
    title: str
    goal: float
    at_least: bool
    figure: float | None

    @property
    def verdict(self) -> str:
        """Whether it is met."""
        if self.figure is None:
            return _MISSING
        return "met" if (self.figure >= self.goal if self.at_least else self.figure <= self.goal) else "missed"

    @property
    def goal_text(self) -> str:
        """For a table."""
        return f"{'≥' if self.at_least else '≤'} {self.goal:g}"

    @property
    def figure_text(self) -> str:
        """For a table."""
        return "—" if self.figure is None else f"{self.figure:.3g}"


def rows(results: Results, models: Sequence[str], shared: str) -> list[Row]:
    """Every goal for every model, then those of the HTTP path. `shared`: the name for parts without a model."""
    found: list[Row] = []
    for model in models:
        parts = {part["part"]: part for part in results.parts(model)}
        goals = [(goal, goal.for_model(model)) for goal in _GOALS]
        found += [
            Row(model, goal.title, value, goal.at_least, goal.read(parts)) for goal, value in goals if value is not None
        ]
    parts = {part["part"]: part for part in results.parts(shared)}
    found += [Row("HTTP path", goal.title, _plain(goal.goal), goal.at_least, goal.read(parts)) for goal in _HTTP_GOALS]
    return found


def ratio(parts: Mapping[str, Any], part: str, figure: str, peers: tuple[str, ...] = (LLAMA_SERVER,)) -> float | None:
    """Forefront ÷ the best of the peers."""
    medians = {name: peer.get("median", {}).get(figure) for name, peer in parts.get(part, {}).get("peers", {}).items()}
    others: list[float] = [value for name in peers if (value := medians.get(name))]
    ours: float | None = medians.get(FOREFRONT)
    return None if ours is None or not others else ours / max(others)


def goodput_ratio(parts: Mapping[str, Any]) -> float | None:
    """At the first rate where less than half of llama-server's answers are good."""
    peers = parts.get("open-loop", {}).get("peers", {})
    if FOREFRONT not in peers or LLAMA_SERVER not in peers:
        return None
    for ours, theirs in zip(peers[FOREFRONT]["rates"], peers[LLAMA_SERVER]["rates"], strict=False):
        if theirs["good"] < _HALF:
            return _quotient(ours["good"], theirs["good"])
    return None


def _quotient(ours: float, theirs: float) -> float | None:
    """Infinite where only Forefront had good answers, None where neither had."""
    if theirs:
        return ours / theirs
    return math.inf if ours else None


def memory_ratio(parts: Mapping[str, Any]) -> float | None:
    """Peaks over all parts but that with drafts, in proportional set sizes."""
    peaks: dict[str, float] = {}
    for part in parts.values():
        for name, peer in part.get("peers", {}).items():
            if part["part"] != "quoting":
                peaks[name] = max(peaks.get(name, 0.0), peer["memory"]["pss_mib"])
    return float(peaks[FOREFRONT] / peaks[LLAMA_SERVER]) if {FOREFRONT, LLAMA_SERVER} <= peaks.keys() else None


def decode_share(parts: Mapping[str, Any]) -> float | None:
    """Of the memory's speed, by one stream in the engine."""
    if "limits" not in parts:
        return None
    limits = read_limits(parts["limits"])
    return float(parts["limits"]["speed"]["decode"]["1"]) * limits.weight_bytes / limits.bandwidth


def prefill_share(parts: Mapping[str, Any]) -> float | None:
    """Of the matrix throughput, by 512 tokens of prefill in the engine."""
    if "limits" not in parts:
        return None
    return float(parts["limits"]["speed"]["prefill"]) / read_limits(parts["limits"]).prefill_rate()


def host_share(parts: Mapping[str, Any]) -> float | None:
    """Of a step with 32 streams."""
    return float(parts["limits"]["speed"]["host_share"]) if "limits" in parts else None


def _closed(streams: int, figure: str) -> Callable[[Mapping[str, Any]], float | None]:
    return lambda parts: ratio(parts, f"closed-{streams}", figure)


def _part(part: str, figure: str) -> Callable[[Mapping[str, Any]], float | None]:
    return lambda parts: ratio(parts, part, figure)


def _http(clients: int) -> Callable[[Mapping[str, Any]], float | None]:
    def read(parts: Mapping[str, Any]) -> float | None:
        ways = parts.get("http-path", {}).get("ways", {})
        others = [way for name, way in ways.items() if name.startswith(LITELLM)]
        if not others:
            return None
        rate = "requests_per_second"
        return float(ways[FOREFRONT][str(clients)][rate] / others[0][str(clients)][rate])

    return read


def _added_ms(parts: Mapping[str, Any]) -> float | None:
    ways = parts.get("http-path", {}).get("ways", {})
    return float(ways[FOREFRONT]["1"]["median_ms"] - ways[DIRECT]["1"]["median_ms"]) if ways else None


def _plain(goal: float | Mapping[str, float]) -> float:
    assert isinstance(goal, float)
    return goal


def _by_size(q8: float, q4: float, smollm2: float) -> dict[str, float]:
    return {"0.4b-Q8_0": q8, "0.4b-Q4_0": q4, "smollm2": smollm2, "0.1b-Q8_0": q8, "tiny-Q8_0": q8}


_GOALS: Final = (
    Goal("output tokens/s, 32 streams", _closed(32, "throughput"), _by_size(6, 5, 6), True),
    Goal("output tokens/s, 1 stream", _closed(1, "throughput"), _by_size(1.5, 1.2, 2), True),
    Goal(
        "1 stream that quotes its prompt, tokens/s",
        lambda parts: ratio(parts, "quoting", "throughput", (LLAMA_SERVER, LLAMA_WITH_DRAFTS)),
        _by_size(4, 3.5, 4),
        True,
    ),
    Goal("median time to first token, 32 streams", _closed(32, "first_token_p50"), 0.2, False),
    Goal("p99 time to first token, 32 streams", _closed(32, "first_token_p99"), 0.3, False),
    Goal("p99 between tokens of 8 streams while long prompts arrive", _part("long-prompts", "gap_p99"), 0.2, False),
    Goal("conversations over one system prompt, total time", _part("conversations", "seconds"), 0.2, False),
    Goal("goodput at the rate where llama-server's falls below half", goodput_ratio, 4.0, True),
    Goal("peak memory", memory_ratio, 1.0, False),
    Goal("decode of 1 stream, share of the memory's speed", decode_share, 0.8, True),
    Goal("prefill of 512 tokens, share of the matrix throughput", prefill_share, 0.7, True),
    Goal("host work, share of a step of 32 streams", host_share, 0.03, False),
)
_HTTP_GOALS: Final = (
    Goal("requests/s ÷ LiteLLM, 16 clients", _http(16), 20.0, True),
    Goal("requests/s ÷ LiteLLM, 1 client", _http(1), 9.0, True),
    Goal("added at the median, 1 client, ms", _added_ms, 1.0, False),
)
