"""The pages on plain HTTP of another computer, where browsers have neither a clipboard API nor `crypto.randomUUID`."""

from playwright.sync_api import Browser, Page, expect

from tests.support.backends.instant import KEY, Instant
from tests.support.programs.browser import open_tab
from tests.web.scenes import ask

ADDRESS = "http://forefront.test"


def paste(page: Page, label: str) -> str:
    """The text of the clipboard, by way of a field."""
    field = page.get_by_label(label, exact=True)
    field.fill("")
    field.press("Control+v")
    return field.input_value()


def test_the_pages_work_and_copy(browser: Browser, scripted: Instant) -> None:
    with open_tab(browser, ADDRESS, KEY) as tab:
        page = tab.page
        page.route(
            f"{ADDRESS}/**",
            lambda route: route.fulfill(response=route.fetch(url=scripted.url + route.request.url[len(ADDRESS) :])),
        )
        page.goto("/")
        assert not page.evaluate("isSecureContext")
        ask(page, "```python\nprint(1)\n```")
        page.get_by_role("button", name="Copy code").click()
        expect(page.get_by_role("button", name="Copy code")).to_have_text("Copied")
        assert paste(page, "Message") == "print(1)"
        page.get_by_role("button", name="Copy answer").click()
        assert paste(page, "Message") == "```python\nprint(1)\n```"
        page.goto("/dashboard#keys")
        page.get_by_role("button", name="New key").click()
        page.get_by_label("Name").fill("over plain HTTP")
        page.keyboard.press("Enter")
        key = page.get_by_label("API key", exact=True).input_value()
        page.get_by_role("button", name="Copy", exact=True).click()
        expect(page.get_by_role("button", name="Copied")).to_be_visible()
        page.get_by_role("button", name="Done").click()
        assert paste(page, "Search keys") == key
