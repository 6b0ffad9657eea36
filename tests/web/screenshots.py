"""Screenshots of the pages: `python -m tests.web.screenshots` writes those of README and docs, `--all FOLDER` every
scene at three widths, dark and light."""

import argparse
import tempfile
from pathlib import Path

from playwright.sync_api import Browser, expect

from tests.support.backends.instant import KEY, Nursery
from tests.support.backends.scripted import ScriptedBackend
from tests.support.programs.browser import open_browser, open_tab
from tests.support.programs.node import build_pages
from tests.web.scenes import SCENES, SCRIPTS, folder

WIDTHS = {1440: 900, 900: 900, 390: 844}
MODELS = ("sample", "other-sample")


def main() -> None:
    """The command."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--all", type=Path, metavar="FOLDER", help="every scene, into this folder")
    parser.add_argument("--scene", choices=[*SCENES, "docs", "key"], action="append", help="only these scenes")
    options = parser.parse_args()
    build_pages()
    backends = {name: ScriptedBackend(SCRIPTS) for name in MODELS}
    with tempfile.TemporaryDirectory() as home:
        store, log = f"sqlite:///{home}/store.sqlite", Path(home) / "log"
        with Nursery().serve(store, log, backends=backends) as server, open_browser() as browser:
            if options.all:
                _take_all(browser, server.url, options.all, options.scene or [*SCENES, "docs", "key"])
            else:
                _take(browser, server.url, "answer", folder() / "playground.png", 1280, "light", height=800)
                _take(browser, server.url, "comparison", folder() / "comparison.png", 1280, "dark", height=800)
                _take(browser, server.url, "probabilities", folder() / "phone.png", 390, "light", height=844)


def _take_all(browser: Browser, url: str, target: Path, scenes: list[str]) -> None:
    for scene in scenes:
        for width, height in WIDTHS.items():
            for scheme in ("light", "dark"):
                _take(browser, url, scene, target / f"{scene}-{width}-{scheme}.png", width, scheme, height=height)


def _take(browser: Browser, url: str, scene: str, path: Path, width: int, scheme: str, *, height: int) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    options = {"viewport": {"width": width, "height": height}, "color_scheme": scheme}
    with open_tab(browser, url, None if scene == "key" else KEY, **options) as tab:
        tab.page.goto("/docs" if scene == "docs" else "/")
        if scene == "docs":
            expect(tab.page.locator(".opblock").first).to_be_visible()
        elif scene == "key":
            expect(tab.page.get_by_role("dialog")).to_be_visible()
        else:
            expect(tab.page.get_by_label("Model", exact=True)).to_have_value(MODELS[0])
            SCENES[scene](tab.page)
        tab.page.evaluate("document.fonts.ready")
        tab.page.screenshot(path=path)
        if tab.problems:
            print(path.name, tab.problems)


if __name__ == "__main__":
    main()
