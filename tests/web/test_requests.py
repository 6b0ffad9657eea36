"""Settings of a request: the schema editor, sampling, and the view as code, whose programs are run."""

import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
from playwright.sync_api import Page, expect

from tests.support.server import RunningServer
from tests.web.conftest import OpenTab
from tests.web.scenes import ask, close_settings, finish, open_settings, send

Playground = Callable[..., Page]
EDITOR = "JSON schema of the answer"


def write(page: Page, text: str) -> None:
    """Replace the text of the schema editor, key by key, as its check runs while the user types."""
    page.get_by_role("textbox", name=EDITOR).click()
    page.keyboard.press("Control+a")
    page.keyboard.insert_text(text)


def test_the_schema_editor_checks_while_typing(playground: Playground) -> None:
    page = playground()
    open_settings(page)
    page.get_by_text("Schema", exact=True).click()
    expect(page.locator(".editor.loaded")).to_be_visible()
    state = page.get_by_role("region", name="Answer format").get_by_role("status")
    expect(state).to_have_text("Valid")
    write(page, '{"type": "thing"')
    expect(state).to_contain_text("not JSON")
    page.keyboard.type("}")
    expect(state).to_contain_text("type: ")
    expect(page.locator(".editor .cm-lintRange-error")).to_have_text('"thing"')
    ask(page, "Hello")
    expect(page.locator(".markdown")).to_be_visible()
    write(page, '{"type": "object"')
    ask(page, "Hello")
    expect(page.locator(".notice")).to_contain_text("The schema of the answer: this is not valid JSON.")
    page.get_by_role("button", name="View as code").last.click()
    expect(page.get_by_text("No request was sent")).to_be_visible()


def test_a_file_dropped_into_the_schema_editor_is_no_attachment(playground: Playground) -> None:
    page = playground()
    open_settings(page)
    page.get_by_text("Schema", exact=True).click()
    expect(page.locator(".editor.loaded")).to_be_visible()
    page.locator(".editor .cm-content").evaluate("""(editor) => {
        const data = new DataTransfer();
        data.items.add(new File(['{"title": "Dropped"}'], 'schema.json', { type: 'application/json' }));
        const { x: clientX, y: clientY } = editor.getBoundingClientRect();
        const options = { dataTransfer: data, clientX, clientY, bubbles: true, cancelable: true, composed: true };
        editor.dispatchEvent(new DragEvent('drop', options));
    }""")
    expect(page.locator(".editor .cm-content")).to_contain_text("Dropped")
    close_settings(page)
    expect(page.get_by_role("alert")).to_have_count(0)


def test_a_real_model_follows_the_schema(open_page: OpenTab) -> None:
    page = open_page("/").page
    open_settings(page)
    page.get_by_text("Schema", exact=True).click()
    expect(page.locator(".editor.loaded")).to_be_visible()
    write(page, '{"enum": [{"colour": "red"}]}')
    ask(page, "Which colour?")
    expect(page.locator(".markdown pre")).to_have_text('{\n  "colour": "red"\n}', use_inner_text=True)
    expect(page.locator(".code-block figcaption")).to_contain_text("json")


def test_an_answer_in_json_is_shown_as_it_arrives_and_unchanged(playground: Playground) -> None:
    page = playground()
    open_settings(page)
    page.get_by_text("JSON", exact=True).click()
    send(page, "Large JSON")
    # While it arrives, also beyond the first piece that one frame renders.
    expect(page.locator(".markdown")).to_contain_text("row 2500")
    page.keyboard.press("Escape")
    finish(page)
    ask(page, '{"id": 12345678901234567890, "share": 1.0, "none": [], "a": {"b": "\\u0041 , :"}}')
    shown = '{\n  "id": 12345678901234567890,\n  "share": 1.0,\n  "none": [],\n  "a": {\n    "b": "\\u0041 , :"\n  }\n}'
    expect(page.locator(".markdown pre").last).to_have_text(shown, use_inner_text=True)


@pytest.fixture(scope="module")
def programs() -> dict[str, str]:
    """The programs of the view as code, by language."""
    return {}


def test_the_code_view_shows_the_sent_request(
    open_page: OpenTab, programs: dict[str, str], server: RunningServer
) -> None:
    page = open_page("/").page
    expect(page.get_by_label("Model", exact=True)).to_have_value("forefront-mini")
    open_settings(page)
    page.get_by_label("System prompt").fill('It\'s "short" \\ $HOME `id`\nJSON')
    page.get_by_label("Maximum tokens").fill("12")
    page.get_by_label("Temperature").fill("0")
    page.get_by_role("button", name="More sampling settings").click()
    page.get_by_label("Top k").fill("5")
    page.get_by_label("Seed").fill("7")
    ask(page, "What is for dinner?")
    programs["answer"] = page.locator(".markdown").inner_text()
    page.get_by_role("button", name="View as code").click()
    dialog = page.get_by_role("dialog")
    for language in ("Python", "Node", "openai", "cURL"):
        dialog.get_by_role("button", name=language, exact=True).click()
        expect(dialog.locator("figcaption")).to_contain_text(
            {"Python": "python", "Node": "javascript", "openai": "python", "cURL": "bash"}[language]
        )
        programs[language] = dialog.locator("pre").text_content() or ""
        assert server.key not in programs[language]
    page.keyboard.press("Escape")
    expect(dialog).to_have_count(0)
    finish(page)


def check(programs: dict[str, str], server: RunningServer, command: list[str], **options: object) -> None:
    """Run a program; it prints the answer that the page had."""
    environment = {name: value for name, value in os.environ.items() if not name.startswith("FOREFRONT")}
    environment["FOREFRONT_API_KEY"] = server.key
    done = subprocess.run(
        command,
        env=environment,
        capture_output=True,
        text=True,
        timeout=60,
        check=True,
        **options,  # type: ignore[call-overload]
    )
    squeezed = " ".join(programs["answer"].split())
    assert squeezed[:20] in " ".join(done.stdout.replace('", "', "").split()) or squeezed == ""


@pytest.mark.parametrize("language", ["Python", "openai"])
def test_python_programs_run(programs: dict[str, str], server: RunningServer, language: str) -> None:
    if language == "openai":
        pytest.importorskip("openai")
    check(programs, server, [sys.executable, "-c", programs[language]])


def test_the_node_program_runs(programs: dict[str, str], server: RunningServer, node_project: Path) -> None:
    (node_project / "view.mjs").write_text(programs["Node"])
    check(programs, server, ["node", "view.mjs"], cwd=node_project)


def test_the_curl_command_runs(programs: dict[str, str], server: RunningServer) -> None:
    environment = {"FOREFRONT_API_KEY": server.key, "PATH": os.environ["PATH"]}
    done = subprocess.run(
        ["bash", "-c", programs["cURL"]], env=environment, capture_output=True, text=True, timeout=60, check=True
    )
    assert '"usage":{"prompt_tokens"' in done.stdout
    assert done.stdout.rstrip().endswith("data: [DONE]")
