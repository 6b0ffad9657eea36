"""The focus stays on the page, where the element that had it is removed."""

from collections.abc import Callable
from typing import Any

from playwright.sync_api import Page, expect

from tests.support.backends.instant import KEY, Instant
from tests.web.conftest import OpenTab
from tests.web.scenes import ask, finish, send

Playground = Callable[..., Page]


def press(page: Page, name: str, **options: Any) -> None:
    """Press a button by the keyboard."""
    button = page.get_by_role("button", name=name, exact=True, **options).last
    button.focus()
    page.keyboard.press("Enter")


def test_the_playground(playground: Playground) -> None:
    page = playground(key=None)
    page.keyboard.type(KEY + "\n")
    message = page.get_by_label("Message", exact=True)
    expect(message).to_be_focused()
    ask(page, "Hello")
    for name in ("Edit message", "Edit answer"):
        press(page, name)
        page.keyboard.press("Escape")
        expect(page.get_by_role("button", name=name)).to_be_focused()
        press(page, name)
        press(page, "Cancel")
        expect(page.get_by_role("button", name=name)).to_be_focused()
    press(page, "View as code")
    press(page, "Close")
    expect(page.get_by_role("button", name="View as code")).to_be_focused()
    press(page, "Regenerate")
    expect(message).to_be_focused()
    finish(page)
    send(page, "Count slowly")
    press(page, "Stop")
    expect(message).to_be_focused()

    press(page, "Rename Hello")
    page.keyboard.type("Title\n")
    title = page.get_by_role("button", name="Title", exact=True)
    expect(title).to_be_focused()
    press(page, "Rename Title")
    page.keyboard.type("Dropped")
    page.keyboard.press("Escape")
    expect(title).to_be_focused()
    press(page, "Delete Title")
    expect(page.get_by_role("button", name="Delete", exact=True)).to_be_focused()
    press(page, "Keep")
    expect(title).to_be_focused()
    press(page, "Delete Title")
    page.keyboard.press("Enter")
    expect(message).to_be_focused()


def test_the_dialogs_of_the_dashboard(open_page: OpenTab, scripted: Instant) -> None:
    page = open_page("/dashboard#keys", url=scripted.url, key=KEY).page
    opener = page.get_by_role("button", name="New key")
    press(page, "New key")
    press(page, "Cancel")
    expect(opener).to_be_focused()
    press(page, "New key")
    page.get_by_label("Name").fill("focused")
    page.keyboard.press("Enter")
    page.keyboard.press("Enter")  # twice: the key is shown this once
    expect(page.get_by_label("API key", exact=True)).to_be_visible()
    press(page, "Done")
    expect(opener).to_be_focused()
