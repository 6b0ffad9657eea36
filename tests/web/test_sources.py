"""What needs no browser: types, the tests of plain TypeScript, the lock file and the size of the first load."""

import json
import re
from pathlib import Path

import pytest

from tests.support.programs.node import install, require_node, run

WEB = Path(__file__).parents[2] / "web"
BUILT = Path(__file__).parents[2] / "src" / "forefront" / "server" / "page"
FIRST_LOAD = 150_000  # bytes


@pytest.fixture(scope="module", autouse=True)
def _installed(web_pages: None) -> None:
    require_node()
    install(WEB)


@pytest.mark.slow
def test_types() -> None:
    run("node", "node_modules/svelte-check/bin/svelte-check", "--fail-on-warnings", cwd=WEB)


@pytest.mark.slow
def test_units() -> None:
    run("node", "node_modules/vitest/vitest.mjs", "run", cwd=WEB)


def test_the_lock_names_no_registry() -> None:
    lock = json.loads((WEB / "package-lock.json").read_text())
    assert all("resolved" not in package for package in lock["packages"].values())


@pytest.mark.parametrize("name", ["index.html", "dashboard.html"])
def test_the_first_load_is_small(name: str) -> None:
    """The page, and every script, style and font that is loaded with it, compressed."""
    html = (BUILT / name).read_text()
    paths = re.findall(r'(?:src|href)="/(assets/[^"]+)"', html)
    styles = [(BUILT / path).read_text() for path in paths if path.endswith(".css")]
    fonts = {font for style in styles for font in re.findall(r"/(assets/[\w-]+\.woff2)", style)}
    sizes = {path: compressed_size(path) for path in (name, *paths, *fonts)}
    assert len(sizes) > 5
    assert sum(sizes.values()) <= FIRST_LOAD, sizes


def compressed_size(path: str) -> int:
    brotli = BUILT / f"{path}.br"
    return (brotli if brotli.exists() else BUILT / path).stat().st_size
