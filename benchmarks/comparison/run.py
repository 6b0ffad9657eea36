"""The comparison: every part of a plan that has no results yet, each model with its peers side by side."""

import sys
import traceback
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any, Final

from benchmarks.comparison.plan import Plan
from benchmarks.comparison.progress import Progress
from benchmarks.comparison.results import Results
from benchmarks.comparison.session import Session, Starter, open_session, quoting_peers, standard_peers, takes_part
from benchmarks.limits.measure import measure_limits
from benchmarks.models import BenchmarkModel
from benchmarks.peers.llama_server import NAME as LLAMA_SERVER
from benchmarks.peers.process import PeerError
from benchmarks.report import machine
from benchmarks.suites.upstream import measure_http_path
from benchmarks.workloads import open_loop, quoting

LIMITS: Final = "limits"
HTTP_PATH: Final = "http-path"
ALL_MODELS: Final = "all"
"""In place of a model's name, for parts that need none."""
_HALF: Final = 0.5

Measure = Callable[[Session], dict[str, Any]]


@dataclass(frozen=True, slots=True)
class Group:
    """Parts that the same peers serve from the same file."""

    model: str
    path: Path
    starters: Sequence[Starter]
    parts: dict[str, Measure]


def run_comparison(
    plan: Plan, models: Sequence[BenchmarkModel], results: Results, starters: Sequence[Starter] | None = None
) -> list[str]:
    """Measure what is missing. `starters`: other peers than the standard ones. Returns the parts that failed."""
    groups = [group for model in models for group in _groups(plan, model, starters)]
    progress = Progress(_part_names(plan, groups))
    failed: list[str] = []
    for model in models:
        if plan.limits:
            _run_alone(results, progress, model.name, LIMITS, partial(measure_limits, model.path), failed)
        for group in groups:
            if group.model == model.name:
                _run_group(results, progress, group, failed)
    if plan.http_rounds:
        _run_alone(results, progress, ALL_MODELS, HTTP_PATH, partial(measure_http_path, plan.http_rounds), failed)
    return failed


def _groups(plan: Plan, model: BenchmarkModel, starters: Sequence[Starter] | None) -> list[Group]:
    parts: dict[str, Measure] = {
        workload.name: partial(Session.alternate, workload=workload, rounds=rounds)
        for workload, rounds in plan.workloads()
    }
    parts[open_loop.NAME] = partial(_open_loop, plan)
    quote = plan.quoting(model)
    quoting_part: Measure = partial(Session.alternate, workload=quote, rounds=plan.rounds.get(quote.name, 1))
    return [
        Group(model.name, model.path, starters or standard_peers(), parts),
        Group(model.name, model.successor or model.path, starters or quoting_peers(), {quoting.NAME: quoting_part}),
    ]


def _part_names(plan: Plan, groups: Sequence[Group]) -> list[tuple[str, str]]:
    names = []
    for model in plan.models:
        names += [(model, LIMITS)] if plan.limits else []
        names += [(model, part) for group in groups if group.model == model for part in group.parts]
    return [*names, (ALL_MODELS, HTTP_PATH)] if plan.http_rounds else names


def _run_group(results: Results, progress: Progress, group: Group, failed: list[str]) -> None:
    """Run the missing parts. After a failure the peers are started again for the rest."""
    missing = [part for part in group.parts if not results.has(group.model, part)]
    for part in set(group.parts) - set(missing):
        progress.skip(group.model, part)
    while missing:
        with open_session(group.starters, group.path, results.folder / "logs") as session:
            while missing:
                part = missing.pop(0)
                progress.begin(group.model, part)
                try:
                    content = group.parts[part](session)
                except Exception:
                    _report_failure(group.model, part, failed)
                    break
                results.write(group.model, part, content | _circumstances(progress.end(group.model, part)))


def _run_alone(
    results: Results,
    progress: Progress,
    model: str,
    part: str,
    measure: Callable[[], dict[str, Any]],
    failed: list[str],
) -> None:
    """Run a part without the peers of a group."""
    if results.has(model, part):
        progress.skip(model, part)
        return
    progress.begin(model, part)
    try:
        content = measure()
    except PeerError:
        raise
    except Exception:
        _report_failure(model, part, failed)
        return
    results.write(model, part, content | _circumstances(progress.end(model, part)))


def _open_loop(plan: Plan, session: Session) -> dict[str, Any]:
    """Growing rates for every peer, until less than half of llama-server's answers are good."""
    measured: dict[str, list[dict[str, float]]] = {}
    for number in range(plan.rates.maximum):
        workload = plan.rates.workload(number)
        for name, peer in session.peers.items():
            if takes_part(name, workload):
                measured.setdefault(name, []).append(session.measure(workload, peer, number))
        if LLAMA_SERVER in measured and measured[LLAMA_SERVER][-1]["good"] < _HALF:
            break
    return session.described({name: {"rates": rates} for name, rates in measured.items()})


def _circumstances(seconds: float) -> dict[str, Any]:
    return {"took_seconds": seconds, "machine": machine()}


def _report_failure(model: str, part: str, failed: list[str]) -> None:
    failed.append(f"{model} {part}")
    print(f"{model} {part} failed, and the others continue:", file=sys.stderr)
    traceback.print_exc()
    sys.stderr.flush()
