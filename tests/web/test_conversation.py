"""Conversations of the playground: streams, branches, comparisons, tool calls, and their storage."""

import json
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

from playwright.sync_api import Page, Request, expect

from tests.support.backends.instant import KEY, Instant
from tests.support.server import RunningServer
from tests.web.conftest import OpenTab
from tests.web.scenes import WEATHER, ask, body_of, finish, open_settings, send

Playground = Callable[..., Page]
METER = re.compile(r"\d+ prompt tokens.* · 24 tokens · first after .* · cut off at the token limit")


def answers(page: Page) -> list[str]:
    """The texts of the answers that are shown."""
    return page.locator(".markdown").all_inner_texts()


def test_a_real_model_streams_an_answer_with_its_receipt(open_page: OpenTab, server: RunningServer) -> None:
    page = open_page("/").page
    expect(page.get_by_label("Model", exact=True)).to_have_value("forefront-mini")
    open_settings(page)
    page.get_by_label("Maximum tokens").fill("24")
    page.get_by_label("Temperature").fill("0")
    ask(page, "Write a recipe for an italian dinner")
    expect(page.locator(".markdown")).not_to_be_empty()
    meter = page.locator(".meter summary")
    expect(meter).to_contain_text(
        re.compile(r"\d+ prompt tokens.* · 24 tokens · first after .* · cut off at the token limit")
    )
    meter.click()
    expect(page.get_by_label("Receipt")).to_contain_text(re.compile(r"Weights\s+\S{20,}"))
    first = answers(page)[0]
    page.get_by_role("button", name="Continue", exact=True).click()
    finish(page)
    expect(page.get_by_text("2 / 2")).to_be_visible()
    assert answers(page)[0].startswith(first[:20])
    assert len(answers(page)[0]) > len(first)


def test_stop_regenerate_edit_and_branches(playground: Playground) -> None:
    page = playground()
    send(page, "Count slowly")
    expect(page.get_by_text("0 1 2 3 4 5")).to_be_visible()
    page.get_by_role("button", name="Stop", exact=True).click()
    finish(page)
    expect(page.locator(".meter")).to_contain_text("stopped")
    stopped = answers(page)[0]

    page.get_by_role("button", name="Regenerate").click()
    page.keyboard.press("Escape")
    finish(page)
    expect(page.get_by_text("2 / 2")).to_be_visible()
    page.get_by_role("button", name="Previous version").click()
    expect(page.locator(".markdown")).to_have_text(stopped)

    page.get_by_role("button", name="Edit message").click()
    page.get_by_label("Edited text").fill("Another question")
    page.get_by_role("button", name="Send", exact=True).first.click()
    finish(page)
    expect(page.locator(".markdown")).to_have_text("Another question")
    page.get_by_role("group", name="Versions").get_by_role("button", name="Previous version").click()
    expect(page.locator(".markdown")).to_have_text(stopped)

    page.get_by_role("button", name="Edit answer").click()
    page.get_by_label("Edited text").fill("What I wanted")
    page.get_by_role("button", name="Save").click()
    expect(page.locator(".markdown")).to_have_text("What I wanted")
    with page.expect_request("**/v1/chat/completions") as request:
        ask(page, "Next")
    contents = [message["content"] for message in body_of(request.value)["messages"]]
    assert contents == ["Count slowly", "What I wanted", "Next"]


def test_reloading_the_page_keeps_the_conversation_and_its_branch(playground: Playground) -> None:
    page = playground()
    ask(page, "First words")
    page.get_by_role("button", name="Regenerate").click()
    finish(page)
    page.get_by_role("button", name="Previous version").click()
    send(page, "Count slowly")
    expect(page.get_by_text("40 41 42 43")).to_be_visible()
    page.reload()
    page.get_by_role("button", name="First words", exact=True).click()
    expect(page.get_by_text("1 / 2")).to_be_visible()
    expect(page.locator(".notice")).to_contain_text("interrupted before it was complete")
    expect(page.locator(".markdown").last).to_contain_text("0 1 2")


def test_an_answer_continues_while_another_conversation_is_shown(playground: Playground) -> None:
    page = playground()
    send(page, "Count slowly")
    expect(page.get_by_text("0 1 2 3 4 5")).to_be_visible()
    page.get_by_role("button", name="New conversation").click()
    ask(page, "Meanwhile")
    page.get_by_role("button", name="Count slowly", exact=True).click()
    expect(page.get_by_text("40 41 42")).to_be_visible()
    page.get_by_role("button", name="Stop", exact=True).click()


def test_search_rename_delete_export_and_import(playground: Playground, tmp_path: Path) -> None:
    page = playground()
    ask(page, "Apples and pears")
    page.get_by_role("button", name="New conversation").click()
    ask(page, "Bread")
    listed = page.get_by_role("navigation", name="Conversations").locator("li")
    expect(listed).to_have_count(2)
    page.get_by_label("Search conversations").fill("PEARS appl")
    expect(listed).to_have_count(1)
    listed.hover()
    page.get_by_role("button", name="Rename Apples and pears").click()
    page.keyboard.type("Fruit\n")
    page.get_by_label("Search conversations").fill("fruit")
    expect(listed).to_have_text(re.compile("Fruit"))
    page.get_by_label("Search conversations").fill("")
    with page.expect_download() as download:
        page.get_by_role("button", name="Export conversations").click()
    file = tmp_path / "export.json"
    download.value.save_as(file)
    exported = json.loads(file.read_text())
    assert {one["conversation"]["title"] for one in exported["conversations"]} == {"Fruit", "Bread"}
    assert KEY not in file.read_text()

    for name in ("Fruit", "Bread"):
        listed.filter(has_text=name).hover()
        page.get_by_role("button", name=f"Delete {name}").click()
        page.get_by_role("button", name="Delete", exact=True).click()
    expect(listed).to_have_count(0)
    page.get_by_label("File of conversations").set_input_files(file)
    expect(listed).to_have_count(2)
    page.get_by_role("button", name="Fruit", exact=True).click()
    expect(page.locator(".markdown")).to_have_text("Apples and pears")
    file.write_text("[]")
    page.get_by_label("File of conversations").set_input_files(file)
    expect(page.get_by_role("alert")).to_contain_text("no conversations that this page exported")


def test_two_answers_side_by_side(playground: Playground) -> None:
    page = playground()
    page.get_by_role("button", name="Compare two models or settings").click()
    page.get_by_label("Model of side B").select_option("second")
    open_settings(page)
    page.get_by_role("button", name="Side B").click()
    page.get_by_label("System prompt").fill("Be brief")
    bodies: list[Any] = []

    def record(request: Request) -> None:
        if request.post_data:
            bodies.append(body_of(request))

    page.on("request", record)
    ask(page, "Hello")
    assert {body["model"]: len(body["messages"]) for body in bodies} == {"first": 1, "second": 2}
    first, second = page.get_by_label("Answer of side A"), page.get_by_label("Answer of side B")
    expect(first).to_contain_text("first")
    expect(second).to_contain_text("second")
    expect(first.get_by_role("button", name="Continue with this answer")).to_have_count(0)
    second.get_by_role("button", name="Continue with this answer").click()
    expect(first.get_by_role("button", name="Continue with this answer")).to_be_visible()
    page.get_by_role("button", name="Compare two models or settings").click()
    ask(page, "And on")
    assert [message["content"] for message in bodies[-1]["messages"]] == ["Hello", "Hello", "And on"]
    page.get_by_role("button", name="Regenerate").last.click()
    finish(page)
    expect(page.get_by_text("2 / 2")).to_be_visible()


def test_a_tool_call_is_answered_manually(playground: Playground) -> None:
    page = playground()
    open_settings(page)
    page.get_by_role("button", name="Add a tool").click()
    name = page.get_by_label("Name", exact=True)
    for text, valid in (("n" * 128, True), ("n" * 129, False), ("get_weather", True)):
        name.fill(text)
        assert name.evaluate("field => field.validity.valid") == valid
    with page.expect_request("**/v1/chat/completions") as request:
        ask(page, WEATHER)
    assert body_of(request.value)["tools"][0]["function"]["parameters"]["required"] == ["city"]
    expect(page.get_by_text('"city": "Rome"')).to_be_visible()
    page.get_by_label("Message", exact=True).fill("Not yet")
    expect(page.get_by_role("button", name="Send", exact=True)).to_be_disabled()
    page.get_by_label("Result of get_weather").fill("21 degrees")
    with page.expect_request("**/v1/chat/completions") as request:
        page.get_by_role("button", name="Send result").click()
    finish(page)
    _, call, result = body_of(request.value)["messages"]
    assert (call["tool_calls"][0]["id"], result["content"]) == (result["tool_call_id"], "21 degrees")
    expect(page.locator(".markdown")).to_have_text("21 degrees")
    expect(page.get_by_label("Result of get_weather")).to_have_count(1)


def test_reasoning_is_folded(playground: Playground) -> None:
    page = playground()
    ask(page, "Is 391 a prime number?")
    expect(page.get_by_text("Try the primes")).to_have_count(0)
    page.get_by_text("Reasoning", exact=True).click()
    expect(page.get_by_text("Try the primes")).to_be_visible()


def test_an_alternative_is_continued(playground: Playground) -> None:
    page = playground()
    open_settings(page)
    page.get_by_label("Log-probabilities").check()
    ask(page, "What is for dinner?")
    page.get_by_role("button", name="Token probabilities").click()
    page.get_by_role("button", name="·peas 20.2 %").hover()
    with page.expect_request("**/v1/chat/completions") as request:
        page.get_by_role("button", name="Continue from ·lemon").click()
    finish(page)
    body = body_of(request.value)
    assert body["messages"][-1] == {"role": "assistant", "content": "Risotto with lemon"}
    assert (body["logprobs"], body["top_logprobs"]) == (True, 5)
    expect(page.get_by_text("2 / 2")).to_be_visible()
    expect(page.locator(".markdown")).to_have_text("Risotto with lemonRisotto with lemon")


# Pastes an image with texts of some types; whether the page took it.
PASTE = """(types) => {
    const data = new DataTransfer();
    const pixel = Uint8Array.from(atob('R0lGODlhAQABAAAAACw='), (one) => one.charCodeAt(0));
    data.items.add(new File([pixel], 'a.gif', { type: 'image/gif' }));
    for (const type of types) data.setData(type, 'a.gif');
    const paste = new ClipboardEvent('paste', { clipboardData: data, bubbles: true, cancelable: true });
    return !document.querySelector('#message').dispatchEvent(paste);
}"""


def test_images_can_be_attached_for_vision_models(open_page: OpenTab, scripted: Instant) -> None:
    tab = open_page("/docs", url=scripted.url, key=KEY)
    page = tab.page
    models = {
        "object": "list",
        "data": [{"id": "seer", "state": "loaded", "size": 2_500_000_000, "capabilities": ["images"]}],
    }
    page.route("**/v1/models", lambda route: route.fulfill(json=models))
    page.goto("/")
    expect(page.get_by_label("Model", exact=True)).to_contain_text("seer · loaded, 2.5 GB")
    pixel = (
        b"\x89PNG\r\n\x1a\n\0\0\0\rIHDR\0\0\0\x01\0\0\0\x01\x08\x06\0\0\0\x1f\x15\xc4\x89\0\0\0\rIDATx\x9cc\xf8\xff\xff?\0"
        b"\x05\xfe\x02\xfe\xa75\x81\x84\0\0\0\0IEND\xaeB`\x82"
    )
    images = page.get_by_label("Images", exact=True)
    images.set_input_files({"name": "a.svg", "mimeType": "image/svg+xml", "buffer": b"<svg/>"})
    expect(page.get_by_role("alert")).to_contain_text("not a PNG")
    picture: Any = {"name": "a.png", "mimeType": "image/png", "buffer": pixel}
    images.set_input_files([picture, picture])
    expect(page.get_by_alt_text("Attachment 2")).to_be_visible()
    page.get_by_role("button", name="Remove attachment 2").click()
    expect(page.get_by_alt_text("Attachment 2")).to_have_count(0)
    with page.expect_request("**/v1/chat/completions") as request:
        ask(page, "Look")
    text, image = body_of(request.value)["messages"][0]["content"]
    assert text == {"type": "text", "text": "Look"}
    assert image["image_url"]["url"].startswith("data:image/png;base64,")

    page.get_by_role("button", name="New conversation").click()
    page.evaluate("""() => {
        const data = new DataTransfer();
        const pixel = Uint8Array.from(atob('R0lGODlhAQABAAAAACw='), (one) => one.charCodeAt(0));
        data.items.add(new File([pixel], 'a.gif', { type: 'image/gif' }));
        const drop = (type) => new DragEvent(type, { dataTransfer: data, bubbles: true, cancelable: true });
        window.__taken = ['dragover', 'drop'].map((type) => !document.body.dispatchEvent(drop(type)));
    }""")
    assert page.evaluate("window.__taken") == [True, True]
    expect(page.get_by_alt_text("Attachment 1")).to_be_visible()

    # A copied file has its name as text. A table of an office program has an image beside its text.
    assert page.evaluate(PASTE, ["text/plain"])
    expect(page.get_by_alt_text("Attachment 2")).to_be_visible()
    assert not page.evaluate(PASTE, ["text/plain", "text/html"])
    # An image belongs to the conversation that was shown when it was pasted.
    page.evaluate("""() => {
        const read = FileReader.prototype.readAsDataURL;
        FileReader.prototype.readAsDataURL = function (file) { window.__read = () => read.call(this, file); };
    }""")
    page.evaluate(PASTE, ["text/html"])
    page.get_by_role("button", name="Look", exact=True).click()
    expect(page.get_by_role("button", name="Remove attachment 1")).to_have_count(0)
    page.evaluate("window.__read()")
    page.get_by_role("button", name="New conversation").click()
    expect(page.get_by_alt_text("Attachment 3")).to_be_visible()


def test_a_file_for_a_model_without_images_is_refused(playground: Playground) -> None:
    page = playground()
    page.evaluate("""() => {
        const data = new DataTransfer();
        data.items.add(new File(['x'], 'a.gif', { type: 'image/gif' }));
        document.body.dispatchEvent(new DragEvent('drop', { dataTransfer: data, bubbles: true, cancelable: true }));
    }""")
    expect(page.get_by_role("alert")).to_have_text("first reads no images.")


def test_a_draft_stays_with_its_conversation(playground: Playground) -> None:
    page = playground()
    message = page.get_by_label("Message", exact=True)
    ask(page, "Hello")
    message.fill("Half of a question")
    page.get_by_role("button", name="New conversation").click()
    expect(message).to_have_value("")
    message.fill("Another one")
    page.get_by_role("button", name="Hello", exact=True).click()
    expect(message).to_have_value("Half of a question")
    page.get_by_role("button", name="New conversation").click()
    expect(message).to_have_value("Another one")


def test_loading_shows_its_progress(playground: Playground) -> None:
    page = playground()
    page.evaluate("""() => {
        const real = window.fetch;
        const start = (stream) => stream.enqueue(new TextEncoder().encode(": loading first 43 %\\n"));
        const waiting = () => new Response(new ReadableStream({ start }));
        window.fetch = (url, init) => String(url).includes("completions") ? waiting() : real(url, init);
    }""")
    send(page, "Hello")
    expect(page.get_by_role("progressbar")).to_have_attribute("value", "43")
    expect(page.get_by_text("Loading first · 43 %")).to_be_visible()


def test_two_tabs_share_conversations(playground: Playground) -> None:
    page = playground()
    ask(page, "From the first tab")
    other = page.context.new_page()
    other.goto("/")
    other.get_by_role("button", name="From the first tab", exact=True).click()
    expect(other.locator(".markdown")).to_have_text("From the first tab")
    ask(other, "From the second tab")
    expect(page.locator(".markdown")).to_have_count(2)
    ask(page, "And back")
    expect(other.locator(".markdown").last).to_have_text("And back")
    other.get_by_role("button", name="From the first tab", exact=True).hover()
    other.get_by_role("button", name="Delete From the first tab").click()
    other.get_by_role("button", name="Delete", exact=True).click()
    expect(page.locator(".markdown")).to_have_count(3)
    ask(page, "Still here")
    page.reload()
    page.get_by_role("button", name="From the first tab", exact=True).click()
    expect(page.locator(".markdown")).to_have_count(4)
