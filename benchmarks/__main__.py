"""`make bench`: Forefront beside other servers, and beside the machine's limits.

Without `--only`, the comparison: peers are built or installed once, and take turns on the same model files. Results are
kept in a folder, a JSON file for each part, with tables and plots. `--only SUITE` runs one other suite.
"""

import argparse
import signal
import sys
from collections.abc import Callable
from pathlib import Path

from benchmarks.comparison.plan import FULL, PLANS, QUICK, Plan
from benchmarks.comparison.plots import write_plots
from benchmarks.comparison.results import Results, latest_folder, new_folder
from benchmarks.comparison.run import run_comparison
from benchmarks.comparison.tables import report
from benchmarks.models import CONTEXT, SIZES, find_model, prepare
from benchmarks.peers.process import PeerError
from benchmarks.report import machine
from benchmarks.suites import (
    apis,
    dashboard,
    embeddings,
    engine,
    front,
    gateway,
    grammar,
    host_work,
    http,
    instructions,
    speculation,
    upstream,
    year,
)
from benchmarks.suites.sdk import node_sdk, python_sdk
from forefront.engine.model.model import ModelOptions, PagedModel

# Suites that need no decoder of real size.
_WITHOUT_MODEL: dict[str, Callable[[int], None]] = {
    "apis": apis.run,
    "dashboard": dashboard.run,
    "embeddings": embeddings.run,
    "gateway": gateway.run,
    "host": host_work.run,
    "instructions": instructions.run,
    "node": node_sdk.run,
    "python": python_sdk.run,
    "speculation": speculation.run,
    "upstream": upstream.run,
    "year": year.run,
}
_WITH_MODEL = ("engine", "front", "grammar", "http")


def main() -> None:
    """Run the comparison, or one suite."""
    signal.signal(signal.SIGINT, signal.default_int_handler)  # also where a script started this in the background
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))  # peers end with their contexts
    options = _options()
    try:
        if options.only is None:
            _compare(options)
        else:
            print(machine(), flush=True)
            _run_suite(options)
    except PeerError as error:
        sys.exit(f"A peer is not available, so there is no comparison.\n{error}")
    except KeyboardInterrupt:
        sys.exit("Stopped. `--resume` continues the comparison.")


def _options() -> argparse.Namespace:
    description = __doc__.splitlines()[0] if __doc__ else ""
    parser = argparse.ArgumentParser(prog="make bench", description=description)
    parser.add_argument("--quick", action="store_true", help="a comparison of 5 minutes with one small model")
    parser.add_argument("--model", action="append", help="only this model of the comparison; can be repeated")
    parser.add_argument("--rounds", type=int, default=1, help="so many times the rounds of the comparison (default 1)")
    parser.add_argument("--resume", action="store_true", help="continue the newest comparison: measure what is missing")
    parser.add_argument("--output", type=Path, help="folder of the comparison's results; parts that it has are kept")
    parser.add_argument("--report", type=Path, help="print the tables of a folder again, without measuring")
    parser.add_argument("--plots", type=Path, help="folder of the plots (default: beside the results)")
    parser.add_argument("--plan", choices=PLANS, help=argparse.SUPPRESS)
    parser.add_argument("--only", choices=sorted((*_WITHOUT_MODEL, *_WITH_MODEL)), help="one other suite")
    parser.add_argument("--size", choices=SIZES, default="0.1b", help="which random model of a suite (default 0.1b)")
    parser.add_argument("--quant", choices=["Q8_0", "Q4_0"], default="Q8_0", help="its quantisation (default Q8_0)")
    parser.add_argument("--tokens", type=int, default=48, help="tokens per stream of a suite (default 48)")
    parser.add_argument("--repeats", type=int, default=3, help="rounds of a suite; medians are shown (default 3)")
    return parser.parse_args()


def _compare(options: argparse.Namespace) -> None:
    plan = PLANS[options.plan] if options.plan else QUICK if options.quick else FULL
    if options.model:
        plan = plan.with_models(options.model)
    plan = plan.with_rounds(options.rounds)
    if options.report is not None:
        _show(plan, Results(options.report), options.plots)
        return
    folder = options.output or (latest_folder(plan.name) if options.resume else None) or new_folder(plan.name)
    print(f"{machine()}\nResults: {folder}", file=sys.stderr, flush=True)
    results = Results(folder)
    failed = run_comparison(plan, [find_model(name) for name in plan.models], results)
    _show(plan, results, options.plots)
    if failed:
        sys.exit(f"Failed: {', '.join(failed)}. `--resume` measures these parts again.")


def _show(plan: Plan, results: Results, plots: Path | None) -> None:
    """Write the report beside the results, and the plots, and print the tables."""
    text = report(results, plan)
    (results.folder / "report.md").write_text(text)
    plots = plots or results.folder / "plots"
    written = write_plots(results, plan, plots)
    print(text)
    print(f"{results.folder} has report.md, {plots} has {len(written)} plots.", flush=True)


def _run_suite(options: argparse.Namespace) -> None:
    if options.only in _WITHOUT_MODEL:
        _WITHOUT_MODEL[options.only](options.repeats)
        return
    path, parts = prepare(options.size, options.quant)
    if options.only == "front":
        front.run(path, options.tokens, options.repeats)
        return
    model = PagedModel(parts.graph, CONTEXT, ModelOptions(contexts=4))
    print(f"\nModel: {path.name}, {options.tokens} tokens per stream, medians of {options.repeats} rounds.")
    if options.only == "engine":
        engine.run(model, options.tokens, options.repeats)
    elif options.only == "grammar":
        grammar.run(parts.tokenizer, model, options.tokens, options.repeats)
    else:
        http.run(path, model, options.tokens, options.repeats)


if __name__ == "__main__":  # not in the processes that it starts
    main()
