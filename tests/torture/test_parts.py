"""A small, fixed fraction of `make torture`, on both databases; the whole of it under the mark `torture`."""

from pathlib import Path

import pytest

from torture.harness import Harness
from torture.parts import PARTS

# How much of each, so that it takes a few seconds; the machine's speed is not looked at.
FRACTIONS = {
    "budget": 1.0,
    "disconnects": 0.05,
    "broken": 0.05,
    "faults": 0.0,
    "shares": 0.1,
    "kill": 0.02,
    "upstreams": 0.1,
    "engine": 0.3,
    "nonces": 0.005,
    "bodies": 0.2,
    "replay": 0.02,
    "fuzz": 0.005,
    "smuggle": 0.02,
    "flood": 0.1,
    "hostile": 0.15,
    "abuse": 0.0,
    "attackers": 0.0,
    "cluster": 0.01,
}


@pytest.fixture
def harness(tmp_path: Path, postgres: str) -> Harness:
    return Harness(tmp_path, postgres=postgres, quiet=True)


@pytest.mark.exhaustive
@pytest.mark.slow
@pytest.mark.timeout(300)  # seconds, on an idle machine
@pytest.mark.parametrize("part", FRACTIONS)
async def test_a_fraction(harness: Harness, part: str) -> None:
    harness.scale = FRACTIONS[part]
    await PARTS[part](harness)
    assert {row.store for row in harness.results} <= {"SQLite", "PostgreSQL"}
    assert [row for row in harness.results if not row.good] == []
    assert harness.results


@pytest.mark.torture
@pytest.mark.timeout(7200)  # seconds; the part cluster alone takes an hour
@pytest.mark.parametrize("part", PARTS)
async def test_each_part_passes(harness: Harness, part: str) -> None:
    await PARTS[part](harness)
    assert [row for row in harness.results if not row.good] == []
