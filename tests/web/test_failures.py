"""Keys, connections, storage and clocks that fail: nothing is lost, and one message has the reason."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import httpx
from playwright.sync_api import Browser, Page, expect

from tests.support.backends.instant import KEY, Instant, Nursery
from tests.support.backends.scripted import ScriptedBackend
from tests.support.programs.browser import open_tab
from tests.web.conftest import OpenTab
from tests.web.scenes import SCRIPTS, ask, body_of, finish, send

Playground = Callable[..., Page]


def create_key(url: str, **limits: Any) -> dict[str, Any]:
    """A key of the admin API."""
    answer = httpx.post(
        f"{url}/admin/keys", json={"name": "page", **limits}, headers={"authorization": f"Bearer {KEY}"}
    )
    answer.raise_for_status()
    created: dict[str, Any] = answer.json()
    return created


def test_a_key_revoked_during_an_answer(open_page: OpenTab, scripted: Instant) -> None:
    created = create_key(scripted.url)
    page = open_page("/", url=scripted.url, key=created["key"]).page
    expect(page.get_by_label("Model", exact=True)).to_have_value("first")
    send(page, "Count slowly")
    expect(page.get_by_text("0 1 2 3 4 5")).to_be_visible()
    revoked = httpx.delete(f"{scripted.url}/admin/keys/{created['id']}", headers={"authorization": f"Bearer {KEY}"})
    revoked.raise_for_status()
    dialog = page.get_by_role("dialog")
    # One message, and the empty place for what is wrong with a new key.
    messages = dialog.get_by_role("alert").filter(has_text="API key")
    expect(messages).to_have_count(1)
    expect(messages).to_contain_text("revoked")
    expect(page.locator(".markdown").first).to_contain_text("0 1 2 3 4 5")
    dialog.get_by_label("API key", exact=True).fill(KEY)
    page.keyboard.press("Enter")
    expect(dialog).to_have_count(0)
    page.get_by_role("button", name="Regenerate").last.click()
    finish_or_stop(page)
    expect(page.locator(".markdown").first).to_contain_text("0 1 2")


def finish_or_stop(page: Page) -> None:
    """End the answer that is arriving."""
    page.wait_for_timeout(200)
    page.keyboard.press("Escape")
    finish(page)


def test_an_expired_key(playground: Playground) -> None:
    page = playground()
    ask(page, "Before")
    page.route(
        "**/v1/chat/completions",
        lambda route: route.fulfill(
            status=401,
            json={"error": {"message": "The key has expired.", "code": "invalid_api_key", "type": "", "param": None}},
        ),
    )
    ask(page, "After")
    expect(page.get_by_role("dialog").get_by_role("alert").first).to_contain_text("API key")
    expect(page.locator(".markdown")).to_have_text("Before")
    assert page.evaluate("sessionStorage.getItem('forefront-key')") is None


def test_a_model_outside_the_keys_models(open_page: OpenTab, scripted: Instant) -> None:
    created = create_key(scripted.url, models=["second"])
    page = open_page("/", url=scripted.url, key=created["key"]).page
    expect(page.get_by_label("Model", exact=True)).to_have_value("second")
    page.route(
        "**/v1/chat/completions",
        lambda route: route.continue_(post_data=(route.request.post_data or "").replace("second", "first")),
    )
    ask(page, "Hello")
    expect(page.locator(".notice")).to_have_count(1)
    expect(page.locator(".notice")).to_contain_text("first")
    expect(page.get_by_role("dialog")).to_have_count(0)


def test_a_lost_connection(playground: Playground) -> None:
    page = playground()
    send(page, "Count slowly")
    expect(page.get_by_text("0 1 2 3 4 5")).to_be_visible()
    page.keyboard.press("Escape")
    page.context.set_offline(True)
    ask(page, "Offline")
    expect(page.locator(".notice")).to_contain_text("cannot be reached")
    page.context.set_offline(False)
    page.get_by_role("button", name="Regenerate").last.click()
    finish(page)
    expect(page.locator(".markdown").last).to_have_text("Offline")


def test_an_answer_that_fails_keeps_its_first_half(playground: Playground) -> None:
    page = playground()
    ask(page, "Fail")
    expect(page.locator(".markdown")).to_have_text("The first half of an answer")
    expect(page.locator(".notice")).to_have_count(1)
    with page.expect_request("**/v1/chat/completions") as request:
        page.get_by_role("button", name="Continue", exact=True).click()
    finish(page)
    assert body_of(request.value)["messages"][-1]["content"] == "The first half of an answer"


def test_a_server_restarted_during_an_answer(browser: Browser, tmp_path: Path) -> None:
    store = f"sqlite:///{tmp_path}/store.sqlite"
    nursery = Nursery()
    backends = {"first": ScriptedBackend(SCRIPTS)}
    with (
        nursery.serve(store, tmp_path / "log", backends=backends) as running,
        open_tab(browser, running.url, KEY) as tab,
    ):
        page = tab.page
        page.goto("/")
        expect(page.get_by_label("Model", exact=True)).to_have_value("first")
        send(page, "Count slowly")
        expect(page.get_by_text("0 1 2 3 4 5")).to_be_visible()
        running.process.kill()
        expect(page.locator(".notice")).to_contain_text("broke within the answer")
        expect(page.locator(".markdown")).to_contain_text("0 1 2 3 4 5")
        expect(page.locator(".notice")).to_have_count(1)
        # The same origin again, as after a restart.
        with nursery.serve(store, tmp_path / "log", backends=backends) as again:
            page.route("**/v1/**", lambda route: route.continue_(url=route.request.url.replace(running.url, again.url)))
            page.get_by_role("button", name="Regenerate").click()
            expect(page.get_by_text("0 1 2 3 4 5")).to_be_visible()
            page.keyboard.press("Escape")
            finish(page)
        assert tab.problems == []


FULL = """() => {
    window.__put = IDBObjectStore.prototype.put;
    IDBObjectStore.prototype.put = () => { throw new DOMException('full', 'QuotaExceededError'); };
}"""
NOT_FULL = "() => { IDBObjectStore.prototype.put = window.__put; }"


def test_a_full_storage_keeps_the_conversation_in_the_tab(playground: Playground) -> None:
    page = playground()
    ask(page, "Stored")
    page.evaluate(FULL)
    ask(page, "Not stored")
    alert = page.get_by_role("alert")
    expect(alert).to_have_count(1)
    expect(alert).to_contain_text("storage is full")
    expect(page.locator(".markdown")).to_have_count(2)
    page.evaluate(NOT_FULL)
    ask(page, "Stored again")
    expect(alert).to_have_count(0)
    page.reload()
    page.get_by_role("button", name="Stored", exact=True).click()
    expect(page.locator(".markdown")).to_have_text(["Stored", "Not stored", "Stored again"])


def test_an_import_into_a_full_storage_is_stored_later_as_a_whole(playground: Playground, tmp_path: Path) -> None:
    page = playground()
    ask(page, "Imported")
    file = tmp_path / "export.json"
    with page.expect_download() as download:
        page.get_by_role("button", name="Export conversations").click()
    download.value.save_as(file)
    exported = json.loads(file.read_text())
    file.write_text(json.dumps(exported | {"conversations": exported["conversations"] * 2}))
    page.get_by_role("navigation", name="Conversations").locator("li").hover()
    page.get_by_role("button", name="Delete Imported").click()
    page.get_by_role("button", name="Delete", exact=True).click()
    page.evaluate(FULL)
    page.get_by_label("File of conversations").set_input_files(file)
    expect(page.locator(".markdown")).to_have_text("Imported")
    expect(page.get_by_text("Only 1 of the file's 2 conversations")).to_be_visible()
    expect(page.get_by_text("storage is full")).to_be_visible()
    page.evaluate(NOT_FULL)
    ask(page, "Stored again")
    expect(page.get_by_text("storage is full")).to_have_count(0)
    page.reload()
    page.get_by_role("button", name="Imported", exact=True).click()
    expect(page.locator(".markdown")).to_have_text(["Imported", "Stored again"])


def test_a_browser_without_storage(open_page: OpenTab, scripted: Instant) -> None:
    tab = open_page("/docs", url=scripted.url, key=KEY)
    tab.context.add_init_script("Object.defineProperty(window, 'indexedDB', { value: undefined })")
    tab.page.goto("/")
    ask(tab.page, "Hello")
    expect(tab.page.locator(".markdown")).to_have_text("Hello")
    expect(tab.page.get_by_role("alert")).to_contain_text("stores no conversations")


def test_a_wrong_system_clock(playground: Playground) -> None:
    page = playground()
    page.clock.set_fixed_time("2040-01-01")
    ask(page, "From the future")
    page.clock.set_fixed_time("1990-01-01")
    page.get_by_role("button", name="New conversation").click()
    ask(page, "From the past")
    listed = page.get_by_role("navigation", name="Conversations").locator("li")
    expect(listed).to_have_text(["From the past", "From the future"], use_inner_text=True)
    page.reload()
    expect(listed).to_have_text(["From the past", "From the future"], use_inner_text=True)
    page.get_by_role("button", name="From the future", exact=True).click()
    expect(page.locator(".meter")).to_contain_text("first after")
