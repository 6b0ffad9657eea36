"""The comparison from end to end, with a tiny model: both peers are Forefront, under two names."""

import json
import random
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

import gguf
import pytest

from benchmarks.comparison.plan import TINY
from benchmarks.comparison.plots import write_plots
from benchmarks.comparison.results import Results
from benchmarks.comparison.run import run_comparison
from benchmarks.comparison.session import Session, Starter
from benchmarks.comparison.tables import goals, report
from benchmarks.limits.matrices import _product_seconds, matrix_shapes
from benchmarks.load.successor import cycle, quoting_prompt, write_successor_model
from benchmarks.models import BenchmarkModel
from benchmarks.peers.peer import Peer
from benchmarks.peers.usage import PeakMemory, process_tree
from benchmarks.workloads.workload import Figures, TextSize
from tests.support.server import RunningServer, run_server

NAME = "0.4b-Q8_0"  # a model that has goals
PLAN = replace(TINY, models=(NAME,), http_rounds=0, limits=False)
PARTS = {"closed-1", "closed-4", "long-prompts", "conversations", "open-loop", "quoting"}


@pytest.fixture(scope="module")
def model(tiny_gguf: Path) -> BenchmarkModel:
    """The tiny model, and the quoting model."""
    return BenchmarkModel(NAME, tiny_gguf, write_successor_model(tiny_gguf))


@pytest.fixture(scope="module")
def serving(model: BenchmarkModel, tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningServer]:
    """A server with both."""
    assert model.successor is not None
    arguments = [str(model.path), str(model.successor)]
    with run_server(arguments, tmp_path_factory.mktemp("bench") / "home") as running:
        yield running


@pytest.fixture(scope="module")
def starters(serving: RunningServer) -> list[Starter]:
    """Two peers."""
    return [named(serving, "Forefront"), named(serving, "llama-server")]


@pytest.fixture(scope="module")
def results(model: BenchmarkModel, starters: list[Starter], tmp_path_factory: pytest.TempPathFactory) -> Results:
    """Of a whole run."""
    found = Results(tmp_path_factory.mktemp("results"))
    assert run_comparison(PLAN, [model], found, starters) == []
    return found


def named(server: RunningServer, name: str) -> Starter:
    """The running server as a peer of that name."""

    @contextmanager
    def start(path: Path, log: Path) -> Iterator[Peer]:
        yield Peer(name, "1", server.url, server.key, path.stem, server.process.pid)

    return start


def test_every_part_has_the_figures_of_both_peers(results: Results) -> None:
    parts = {part["part"]: part for part in results.parts(NAME)}
    assert parts.keys() == PARTS
    for name, part in parts.items():
        assert set(part["peers"]) == {"Forefront", "llama-server"}
        for peer in part["peers"].values():
            [figures] = peer["rates"] if name == "open-loop" else peer["rounds"]
            assert figures["failed"] == 0
            assert figures["throughput"] > 0
            assert figures["gap_p99"] is not None
            assert peer["memory"]["pss_mib"] > 10
    assert parts["closed-4"]["peers"]["Forefront"]["median"]["tokens"] == 4 * 8
    assert parts["conversations"]["peers"]["Forefront"]["median"]["requests"] == 2 * 2


def test_a_finished_run_measures_nothing_again(
    results: Results, model: BenchmarkModel, starters: list[Starter]
) -> None:
    files = {path: path.stat().st_mtime_ns for path in results.folder.rglob("*.json")}
    assert run_comparison(PLAN, [model], results, []) == []
    assert {path: path.stat().st_mtime_ns for path in results.folder.rglob("*.json")} == files


def test_only_missing_parts_are_measured_again(
    results: Results, model: BenchmarkModel, starters: list[Starter]
) -> None:
    files = {path: path.stat().st_mtime_ns for path in results.folder.rglob("*.json")}
    lost = results.folder / NAME / "closed-1.json"
    lost.unlink()
    assert run_comparison(PLAN, [model], results, starters) == []
    changed = {path for path in files if path.stat().st_mtime_ns != files[path]}
    assert changed == {lost}


def test_a_failing_part_is_named_and_the_others_continue(
    model: BenchmarkModel, serving: RunningServer, tmp_path: Path
) -> None:
    plan = replace(PLAN, closed=(replace(PLAN.closed[0], answer=10**9), PLAN.closed[1]))  # no context is so long
    plan = replace(plan, long_prompts=replace(plan.long_prompts, prompt=50))
    found = Results(tmp_path)
    assert run_comparison(plan, [model], found, [named(serving, "Forefront")]) == [f"{NAME} closed-1"]
    assert {part["part"] for part in found.parts(NAME)} == PARTS - {"closed-1"}


def test_the_report_judges_each_goal(results: Results) -> None:
    text = report(results, PLAN)
    assert "llama-server: 1" in text
    rows = [line.split(" | ") for line in goals(results, PLAN).splitlines() if line.startswith("| ")][1:]
    verdicts = {row[1]: row[-1].strip(" |") for row in rows}
    measured = [title for title, verdict in verdicts.items() if verdict in {"met", "missed"}]
    assert len(verdicts) == 15
    assert len(measured) == 5  # neither 32 streams, nor limits, nor the HTTP path; goodput stays above half
    assert all(f"| {title} |" in text for title in verdicts)


def test_plots_are_small_images(results: Results, tmp_path: Path) -> None:
    shapes = {"limits": {}, "speed": {"prefill": 900.0, "decode": {"1": 40.0, "8": 100.0}, "host_share": 0.01}}
    shapes["limits"] = {
        "bandwidth": 2e10, "int8": 3e11, "int8_batch": 1e11, "float32": 8e10, "weight_bytes": 4e8,
        "layer_operations": 7e8, "output_operations": 6e7,
    }  # fmt: skip
    results.write(NAME, "limits", shapes | {"machine": "m"})
    paths = write_plots(results, PLAN, tmp_path)
    (results.folder / NAME / "limits.json").unlink()
    assert {path.name for path in paths} == {f"{kind}-{NAME}.png" for kind in ("streams", "roofline", "goodput")}
    for path in paths:
        assert path.read_bytes().startswith(b"\x89PNG")
        assert path.stat().st_size < 80_000


def test_results_are_json_without_nan(tmp_path: Path) -> None:
    results = Results(tmp_path)
    results.write("m", "p", {"a": [float("nan"), 1.0], "b": {"c": float("nan")}})
    content = json.loads((tmp_path / "m" / "p.json").read_text(), parse_constant=pytest.fail)
    assert (content["a"], content["b"]) == ([None, 1.0], {"c": None})


def test_the_successor_model_quotes_its_prompt(serving: RunningServer, model: BenchmarkModel) -> None:
    assert model.successor is not None
    tokens = cycle(gguf.GGUFReader(model.successor))
    prompt = quoting_prompt(tokens, random.Random(1), 100, 48)
    assert len(prompt) == 100
    start = tokens.tolist().index(prompt[-1])
    expected = [int(tokens[(start + 1 + number) % len(tokens)]) for number in range(48)]
    fields = {"model": model.successor.stem, "prompt": prompt, "max_tokens": 48, "temperature": 0}
    with serving.client() as client:
        answer = client.post("/v1/completions", json=fields).json()["choices"][0]["text"]
        text = client.post("/v1/detokenize", json={"model": fields["model"], "tokens": expected}).json()
    assert set(expected) <= set(prompt)
    assert answer in text.values()


def test_shapes_and_speed_of_matrices(tiny_gguf: Path) -> None:
    shapes = matrix_shapes(tiny_gguf)
    assert shapes.counts == {(128, 128): 4, (64, 128): 4, (256, 128): 4, (128, 256): 2, (512, 128): 1}
    assert shapes.output == 2 * 512 * 128
    assert shapes.operations == 2 * (4 * 128 * 128 + 4 * 64 * 128 + 6 * 256 * 128 + 512 * 128)
    assert shapes.weight_bytes == shapes.operations / 2 / 32 * 34  # Q8_0
    for kind in ("quantised", "channels", "groups", "float"):
        assert 0 < _product_seconds(kind, 64, 128, 4) < 10


def test_memory_is_that_of_the_whole_process_tree(serving: RunningServer) -> None:
    assert serving.process.pid in process_tree(serving.process.pid)
    peak = PeakMemory()
    peak.sample(serving.process.pid)
    assert 10 < peak.pss <= peak.rss


def test_no_two_rounds_have_the_same_prompts(serving: RunningServer) -> None:
    seeds: list[int] = []

    class Recorder:
        """A workload that records its seeds."""

        def __init__(self, name: str) -> None:
            self.name = name

        async def round(self, peer: Peer, size: TextSize, seed: int) -> Figures:
            seeds.append(seed)
            return {"tokens": 1.0}

    peers = {name: Peer(name, "1", serving.url, serving.key, "m", serving.process.pid) for name in ("a", "b")}
    session = Session(peers, {name: PeakMemory() for name in peers})
    for name in ("closed-1", "closed-8"):
        assert set(session.alternate(Recorder(name), 3)["peers"]) == {"a", "b"}
    assert len(seeds) == 2 * 3 * 2
    assert len(set(seeds)) == 2 * 3  # both peers have the same ones
    assert min(abs(a - b) for a in set(seeds) for b in set(seeds) if a != b) > 1000  # open loops add to a seed
