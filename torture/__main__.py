"""`make torture`: load, faults and bad input against real servers. Prints a table; exit status 1 after a failure."""

import argparse
import asyncio
import sys
import tempfile
import time
from contextlib import ExitStack
from pathlib import Path

import pytest
import uvloop

from benchmarks.report import machine
from tests.support.programs.postgres import run_postgres
from torture.harness import Harness, Result
from torture.parts import PARTS

# Seconds for all parts together.
_TIME_LIMIT = 900


def main() -> int:
    """Run the selected parts. Returns the exit status."""
    parser = argparse.ArgumentParser(prog="make torture", description=__doc__.splitlines()[0] if __doc__ else "")
    parser.add_argument("--part", choices=PARTS, action="append", help="only this one; repeatable")
    parser.add_argument("--scale", type=float, default=1.0, help="multiplies every count (default 1)")
    parser.add_argument("--sqlite", action="store_true", help="leave PostgreSQL out")
    options = parser.parse_args()
    print(machine(), flush=True)
    with ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="forefront-torture-")))
        harness = Harness(folder, options.scale, None if options.sqlite else _postgres(stack))
        begin = time.monotonic()
        uvloop.run(_run(harness, options.part or list(PARTS)))
        print(_table(harness.results))
        bad = [row for row in harness.results if not row.good]
        total = len(harness.results)
        print(f"{total - len(bad)} of {total} passed, in {time.monotonic() - begin:.0f} s")
    return 1 if bad else 0


async def _run(harness: Harness, names: list[str]) -> None:
    end = time.monotonic() + _TIME_LIMIT
    for name in names:
        begin = time.monotonic()
        try:
            async with asyncio.timeout(end - begin):
                await PARTS[name](harness)
        except TimeoutError:
            harness.report(name, "", f"within {_TIME_LIMIT} s altogether", "was not done in time", good=False)
        except Exception as error:
            harness.report(name, "", "the part itself", f"broke: {error!r}", good=False)
        harness.log(f"{name}: {time.monotonic() - begin:.0f} s\n")


def _postgres(stack: ExitStack) -> str | None:
    try:
        return stack.enter_context(run_postgres())
    except pytest.skip.Exception as missing:
        print(missing, file=sys.stderr)
        return None


def _table(rows: list[Result]) -> str:
    lines = ["", "| part | store | test | result | |", "|---|---|---|---|---|"]
    lines += [
        f"| {row.part} | {row.store} | {row.done} | {row.found} | {'ok' if row.good else '**FAILED**'} |"
        for row in rows
    ]
    return "\n".join(lines)


if __name__ == "__main__":
    sys.exit(main())
