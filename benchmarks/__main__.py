"""`make bench`: speed and memory, measured side by side in one run.

Ratios compare alternating rounds and are more reliable than figures on a noisy machine.
"""

import argparse

from benchmarks import (
    apis,
    dashboard,
    engine,
    gateway,
    grammar,
    host_work,
    http,
    instructions,
    node_sdk,
    peers,
    python_sdk,
    upstream,
    year,
)
from benchmarks.models import CONTEXT, SIZES, prepare
from benchmarks.report import machine
from forefront.engine.model.model import ModelOptions, PagedModel

# Suites that need no model of real size.
_WITHOUT_MODEL = {
    "node": node_sdk.run,
    "python": python_sdk.run,
    "gateway": gateway.run,
    "instructions": instructions.run,
    "apis": apis.run,
    "dashboard": dashboard.run,
    "host": host_work.run,
}


def main() -> None:
    """Run all suites, or one."""
    parser = argparse.ArgumentParser(prog="make bench", description=__doc__.splitlines()[0] if __doc__ else "")
    parser.add_argument("--size", choices=SIZES, default="0.1b", help="which random model (default 0.1b)")
    parser.add_argument("--quant", choices=["Q8_0", "Q4_0"], default="Q8_0", help="its quantisation (default Q8_0)")
    parser.add_argument("--tokens", type=int, default=48, help="tokens per stream (default 48)")
    parser.add_argument("--repeats", type=int, default=3, help="rounds; medians are shown (default 3)")
    suites = [*_WITHOUT_MODEL, "engine", "grammar", "http", "peers", "upstream", "year"]
    parser.add_argument(
        "--only", choices=suites, help="one suite; `year`, `peers` and `upstream` take minutes, only by name"
    )
    options = parser.parse_args()
    print(machine(), flush=True)
    for name, run in _WITHOUT_MODEL.items():
        if options.only in (None, name):
            run(options.repeats)
    by_name = {"year": year.run, "upstream": upstream.run}
    if options.only in by_name:
        by_name[options.only](options.repeats)
    if options.only in by_name or options.only in _WITHOUT_MODEL:
        return
    path, parts = prepare(options.size, options.quant)
    if options.only == "peers":
        peers.run(path, options.tokens, options.repeats)
        return
    model = PagedModel(parts.graph, CONTEXT, ModelOptions(contexts=4))
    print(f"\nModel: {path.name}, {options.tokens} tokens per stream, medians of {options.repeats} rounds.")
    if options.only in (None, "engine"):
        engine.run(model, options.tokens, options.repeats)
    if options.only in (None, "grammar"):
        grammar.run(parts.tokenizer, model, options.tokens, options.repeats)
    if options.only in (None, "http"):
        http.run(path, model, options.tokens, options.repeats)


if __name__ == "__main__":  # not in the processes that it starts
    main()
