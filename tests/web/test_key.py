"""The key dialog of the playground and the dashboard."""

import pytest
from playwright.sync_api import expect

from tests.support.server import RunningServer
from tests.web.conftest import OpenTab


@pytest.mark.parametrize(("path", "title"), [("/", "Playground"), ("/dashboard", "Dashboard")])
def test_a_page_prompts_for_the_key_and_checks_it(
    open_page: OpenTab, server: RunningServer, path: str, title: str
) -> None:
    page = open_page(path, key=None).page
    expect(page).to_have_title(f"{title} · Forefront")
    field = page.get_by_label("API key", exact=True)
    expect(field).to_be_focused()
    field.fill("wrong key")
    page.keyboard.press("Enter")
    expect(page.get_by_text("visible ASCII characters alone")).to_be_visible()
    field.fill("ff-wrong")
    page.keyboard.press("Enter")
    expect(page.get_by_text("does not accept this API key")).to_be_visible()
    page.keyboard.press("Escape")
    field.fill(server.key)
    page.keyboard.press("Enter")
    expect(page.get_by_role("dialog")).to_have_count(0)
    assert page.evaluate("[localStorage.length, document.cookie]") == [0, ""]
    assert server.key in page.evaluate("Object.values(sessionStorage)")
    page.reload()
    expect(page.get_by_role("dialog")).to_have_count(0)
