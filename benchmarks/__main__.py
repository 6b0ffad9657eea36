"""`make bench`: speed and memory, side by side in one run, as ratios.

Machines are noisy: trust the ratios, which compare rounds that alternate, more than the numbers.
"""

import argparse

from benchmarks import engine, gateway, grammar, http, node_sdk, peers, python_sdk, year
from benchmarks.models import CONTEXT, SIZES, prepare
from benchmarks.report import machine
from forefront.engine.model.model import ModelOptions, PagedModel

# What needs no model of real size.
_ALONE = {"node": node_sdk.run, "python": python_sdk.run, "gateway": gateway.run}


def main() -> None:
    """Run the suites that were asked for."""
    parser = argparse.ArgumentParser(prog="make bench", description=__doc__.splitlines()[0] if __doc__ else "")
    parser.add_argument("--size", choices=SIZES, default="0.1b", help="which random model (default 0.1b)")
    parser.add_argument("--quant", choices=["Q8_0", "Q4_0"], default="Q8_0", help="its quantisation (default Q8_0)")
    parser.add_argument("--tokens", type=int, default=48, help="tokens per stream (default 48)")
    parser.add_argument("--repeats", type=int, default=3, help="rounds; medians are shown (default 3)")
    only = [*_ALONE, "engine", "grammar", "http", "peers", "year"]
    parser.add_argument(
        "--only", choices=only, help="one suite alone; `year` and `peers` take minutes and are not in the whole"
    )
    options = parser.parse_args()
    print(machine(), flush=True)
    for name, run in _ALONE.items():
        if options.only in (None, name):
            run(options.repeats)
    if options.only == "year":
        year.run(options.repeats)
    if options.only == "year" or options.only in _ALONE:
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
