"""One browser for each module, and tabs in it."""

from collections.abc import Callable, Iterator
from contextlib import ExitStack

import pytest
from playwright.sync_api import Browser, Page, expect

from tests.support.backends.instant import KEY, Instant, Nursery
from tests.support.backends.scripted import ScriptedBackend
from tests.support.programs.browser import Tab, open_browser, open_tab
from tests.support.programs.node import require_node
from tests.support.server import RunningServer
from tests.web.scenes import SCRIPTS

OpenTab = Callable[..., Tab]


@pytest.fixture(scope="module")
def browser(web_pages: None) -> Iterator[Browser]:
    """Chromium, for pages that are built."""
    require_node()
    with open_browser() as opened:
        yield opened


@pytest.fixture
def open_page(browser: Browser, server: RunningServer) -> Iterator[OpenTab]:
    """Opens tabs of their own contexts, by default at the session's server and with its key. At the end of the test
    no tab may have reported a problem or spoken to another host."""
    with ExitStack() as stack:
        tabs: list[Tab] = []

        def make(path: str = "/", *, url: str = server.url, key: str | None = server.key, **options: object) -> Tab:
            tab = stack.enter_context(open_tab(browser, url, key, **options))
            tabs.append(tab)
            tab.page.goto(path)
            return tab

        yield make
        for tab in tabs:
            assert tab.problems == []
            assert {host.split(":")[0] for host in tab.hosts} <= {"127.0.0.1", ""}


@pytest.fixture(scope="module")
def scripted(web_pages: None, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Instant]:
    """A server with two models that answer by the scripts of `scenes.py`."""
    folder = tmp_path_factory.mktemp("scripted")
    backends = {name: ScriptedBackend(SCRIPTS) for name in ("first", "second")}
    with Nursery().serve(f"sqlite:///{folder}/store.sqlite", folder / "log", backends=backends) as running:
        yield running


@pytest.fixture
def playground(open_page: OpenTab, scripted: Instant) -> Callable[..., Page]:
    """Opens the playground of the scripted server in its own tab."""

    def make(key: str | None = KEY, **options: object) -> Page:
        page = open_page("/", url=scripted.url, key=key, **options).page
        if key:
            expect(page.get_by_label("Model", exact=True)).to_have_value("first")
        return page

    return make
