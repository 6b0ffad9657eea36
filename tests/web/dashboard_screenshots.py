"""Screenshots of the dashboard: `python -m tests.web.dashboard_screenshots` writes that of the documentation,
`--all FOLDER` every view at three widths, dark and light."""

import argparse
import tempfile
from pathlib import Path

import httpx
from playwright.sync_api import Browser, expect

from forefront.cli.settings.config import Config
from forefront.cli.settings.sections import PriceSettings
from forefront.upstream.spec import UpstreamSpec
from tests.support.backends.instant import KEY, InstantBackend, Nursery
from tests.support.programs.browser import open_browser, open_tab
from tests.support.programs.node import build_pages
from tests.web.dashboard_data import fill_ledger, make_keys
from tests.web.scenes import folder

WIDTHS = {1440: 900, 900: 900, 390: 844}
MODELS = ("sample", "other-sample")
VIEWS = ("overview", "requests", "keys", "projects", "models")


def main() -> None:
    """The command."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--all", type=Path, metavar="FOLDER", help="every view, into this folder")
    options = parser.parse_args()
    build_pages()
    settings = Config(prices={name: PriceSettings(input=0.5, output=1.5) for name in MODELS})
    backends = {name: InstantBackend(0.001) for name in MODELS}
    upstream = UpstreamSpec("large", ("http://127.0.0.1:9/v1",), "large", dialect="generic", context_length=4096)
    with tempfile.TemporaryDirectory() as home:
        store = f"sqlite:///{home}/store.sqlite"
        running = Nursery().serve(store, Path(home) / "log", settings=settings, backends=backends, upstreams=[upstream])
        with running as server, open_browser() as browser:
            _fill(server.url, store)
            if options.all:
                for view in VIEWS:
                    for width, height in WIDTHS.items():
                        for scheme in ("light", "dark"):
                            path = options.all / f"{view}-{width}-{scheme}.png"
                            _take(browser, server.url, view, path, width, height, scheme)
            else:
                _take(browser, server.url, "overview", folder() / "dashboard.png", 1280, 820, "light")


def _fill(url: str, store: str) -> None:
    with httpx.Client(base_url=url, headers={"authorization": f"Bearer {KEY}"}, timeout=30) as admin:
        keys = make_keys(admin)
        fill_ledger(store, keys, MODELS)
        for number, model in enumerate([*MODELS, "large"] * 5):
            body = {"model": model, "messages": [{"role": "user", "content": "Hi"}], "max_tokens": 40 + number}
            admin.post("/v1/chat/completions", json=body, headers={"authorization": f"Bearer {keys[1]['key']}"})


def _take(browser: Browser, url: str, view: str, path: Path, width: int, height: int, scheme: str) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    options = {"viewport": {"width": width, "height": height}, "color_scheme": scheme}
    with open_tab(browser, url, KEY, **options) as tab:
        page = tab.page
        page.goto(f"/dashboard#{view}")
        if view == "overview":
            page.get_by_text("24 hours").click()
            expect(page.locator("[aria-busy=true]")).to_have_count(0)
        expect(page.get_by_text("Loading …")).to_have_count(0)
        page.evaluate("document.fonts.ready")
        page.wait_for_timeout(300)
        page.screenshot(path=path, full_page=width < 1000)
        if tab.problems:
            print(path.name, tab.problems)


if __name__ == "__main__":
    main()
