"""`/docs` in a real browser, and what is sent with it."""

import json
import re
import subprocess
import zipfile
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import urlsplit

import httpx
import pytest
from hatchling.builders.wheel import WheelBuilder

from forefront.server.openapi.operations import OPERATIONS
from forefront.server.routes.documentation import PAGE
from tests.support.chromium import Page, open_page
from tests.support.server import RunningServer

FORM = "document.querySelector('#createChatCompletion .try')"


@pytest.fixture(scope="module")
def page() -> Iterator[Page]:
    """A tab."""
    with open_page() as opened:
        yield opened


def test_the_page_comes_whole_and_locked_up(server: RunningServer) -> None:
    response = httpx.get(f"{server.url}/docs")
    assert response.headers["content-type"] == "text/html; charset=utf-8"
    policy = response.headers["content-security-policy"]
    assert policy.startswith("default-src 'none'; script-src 'sha256-")
    assert "unsafe" not in policy
    for header, value in (("x-content-type-options", "nosniff"), ("referrer-policy", "no-referrer")):
        assert response.headers[header] == value
    assert not re.search(r"""(src|href)=["'](https?:)?//|@import|\burl\(""", response.text)
    assert "/*style*/" not in response.text
    assert "/*script*/" not in response.text


def test_its_files_are_in_the_wheel(tmp_path: Path) -> None:
    [wheel] = WheelBuilder(str(Path(__file__).parents[3])).build(directory=str(tmp_path))
    names = zipfile.ZipFile(wheel).namelist()
    for name in ("docs.html", "docs.css", "docs.js"):
        assert f"forefront/server/page/{name}" in names
        assert (PAGE / name).is_file()


def test_it_shows_every_operation_and_loads_nothing_else(server: RunningServer, page: Page) -> None:
    page.events.clear()
    page.open(f"{server.url}/docs")
    page.wait(f"document.querySelectorAll('section').length === {len(OPERATIONS)}")
    page.run("document.querySelectorAll('section > details').forEach((fold) => { fold.open = true; })")
    page.wait(f"document.querySelectorAll('.try').length === {len(OPERATIONS)}")
    page.run("document.querySelectorAll('.field details').forEach((fold) => { fold.open = true; })")
    page.wait("document.querySelectorAll('.field .field').length > 20")
    text = page.run("document.body.innerText")
    assert "[object" not in text
    assert "undefined" not in text
    assert page.requests() == [f"{server.url}/docs", f"{server.url}/openapi.json"]
    assert {urlsplit(url).hostname for url in page.requests()} == {"127.0.0.1"}
    assert page.complaints() == []


def test_search_hides_what_does_not_fit(server: RunningServer, page: Page) -> None:
    page.open(f"{server.url}/docs")
    page.wait("document.querySelector('section')")
    found = {"rotate": ["rotateKey"], "grammar suffix": ["createCompletion"], "echo nothing": []}
    for words, shown in found.items():
        page.run(f"document.getElementById('search').value = {words!r}")
        page.run("document.getElementById('search').dispatchEvent(new Event('input'))")
        visible = "[...document.querySelectorAll('section')].filter((one) => !one.hidden).map((one) => one.id)"
        assert page.run(visible) == shown
        assert page.run("document.getElementById('nothing').hidden") is bool(shown)


def test_a_request_is_tried_and_its_command_does_the_same(server: RunningServer, page: Page) -> None:
    page.events.clear()
    page.open(f"{server.url}/docs#createChatCompletion")
    page.wait(FORM)
    body = '{"model": "tiny", "messages": [{"role": "user", "content": "It\'s <b>me</b>"}], "max_tokens": 3}'
    script = f"""(() => {{
        document.getElementById('key').value = {server.key!r};
        const text = {FORM}.querySelector('textarea');
        text.value = {body!r};
        text.dispatchEvent(new Event('input', {{ bubbles: true }}));
        {FORM}.querySelector('.send').click();
    }})()"""
    page.run(script)
    page.wait(f"/^200 /.test({FORM}.querySelector('.status').textContent)")
    told, command = page.run(f"[...{FORM}.querySelectorAll('pre')].map((one) => one.textContent)")
    headers, _, answer = told.partition("\n\n")
    assert "x-request-id: " in headers
    assert json.loads(answer)["usage"]["completion_tokens"] == 3
    assert server.key not in command
    assert page.complaints() == []
    run = subprocess.run(["sh", "-c", command.replace("YOUR_API_KEY", server.key)], capture_output=True, check=True)
    assert json.loads(run.stdout)["usage"]["prompt_tokens"] == json.loads(answer)["usage"]["prompt_tokens"]
