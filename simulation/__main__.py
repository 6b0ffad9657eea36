"""Simulate, and write the page and its figures: `python -m simulation`."""

import argparse
from pathlib import Path

from simulation.page import write_page
from simulation.scenarios import Scenarios
from simulation.service_times import load_service_times

DOCS = Path(__file__).parents[1] / "docs"


def main() -> None:
    parser = argparse.ArgumentParser(
        description="Simulate routing and scaling; write docs/simulation.md and its figures."
    )
    parser.add_argument(
        "--scale", type=float, default=1.0, help="scale of replicas and times, below 1 for a quick look"
    )
    parser.add_argument("--docs", type=Path, default=DOCS, help="folder of the page; figures go to its folder images")
    arguments = parser.parse_args()
    times = load_service_times()
    scenarios = Scenarios(times, arguments.scale)
    write_page(scenarios, times, arguments.docs / "simulation.md", arguments.docs / "images")
    print(arguments.docs / "simulation.md")


main()
