"""The API reference at `/docs`."""

import json

from playwright.sync_api import expect

from forefront.server.openapi.operations.all_operations import OPERATIONS
from tests.support.server import RunningServer
from tests.web.conftest import OpenTab


def test_the_reference_shows_every_operation_and_sends_a_request(open_page: OpenTab, server: RunningServer) -> None:
    page = open_page("/docs").page
    blocks = page.locator(".opblock")
    expect(blocks).to_have_count(len(OPERATIONS))
    block = page.locator("#operations-Completions-createChatCompletion")
    block.locator(".opblock-summary-control").click()
    body = {"model": "tiny", "messages": [{"role": "user", "content": "It's <b>me</b>"}], "max_tokens": 3}
    block.locator("textarea.body-param__text").fill(json.dumps(body))
    with page.expect_response("**/v1/chat/completions") as response:
        block.get_by_role("button", name="Execute").click()
    assert response.value.json()["usage"]["completion_tokens"] == 3
    expect(block.locator(".live-responses-table .response-col_status").last).to_contain_text("200")
