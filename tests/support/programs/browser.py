"""Debian's Chromium driven by Playwright, and the problems that a page reported."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

from playwright.sync_api import Browser, BrowserContext, Page, sync_playwright

from tests.support.programs.chromium import chromium_program


@dataclass
class Tab:
    """One page of its own browser context. `problems` has console errors and warnings, violations of the content
    security policy, and exceptions; `hosts` the hosts of all requests."""

    page: Page
    context: BrowserContext
    problems: list[str] = field(default_factory=list)
    hosts: set[str] = field(default_factory=set)

    def watch(self) -> None:
        page = self.page
        page.on("console", self._on_console)
        page.on("pageerror", lambda error: self.problems.append(str(error)))
        page.on("request", lambda request: self.hosts.add(request.url.split("/")[2] if "//" in request.url else ""))

    def _on_console(self, message: Any) -> None:
        # A refused request is an error of the console too; what the page makes of it is what is tested.
        if message.type in ("error", "warning") and "Failed to load resource" not in message.text:
            self.problems.append(message.text)


@contextmanager
def open_browser() -> Iterator[Browser]:
    """A browser without a window. Use it in module scope: Playwright's loop must not outlive the module's tests."""
    program = chromium_program()
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=program, args=["--no-sandbox", "--disable-dev-shm-usage"])
        try:
            yield browser
        finally:
            browser.close()


@contextmanager
def open_tab(browser: Browser, url: str, key: str | None = None, **options: Any) -> Iterator[Tab]:
    """A tab of a new context whose relative addresses begin with `url`. With `key`, its pages begin with that key."""
    options = {"viewport": {"width": 1440, "height": 900}, "reduced_motion": "reduce"} | options
    context = browser.new_context(base_url=url, **options)
    context.set_default_timeout(20_000)
    if key:
        script = f"if (!sessionStorage.getItem('forefront-key')) sessionStorage.setItem('forefront-key', '{key}')"
        context.add_init_script(script)
    tab = Tab(context.new_page(), context)
    tab.watch()
    try:
        yield tab
    finally:
        context.close()
