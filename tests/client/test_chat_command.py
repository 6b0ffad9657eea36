"""`forefront chat`: the conversation, its commands, and the terminal around it."""

import json
import re
from collections.abc import Callable
from io import StringIO
from pathlib import Path
from typing import Any

import httpx
import pytest
import typer
from prompt_toolkit.application import create_app_session
from prompt_toolkit.input import create_pipe_input
from prompt_toolkit.output import DummyOutput
from rich.console import Console
from typer.testing import CliRunner, Result

from forefront import ForefrontError, RateLimitError
from forefront.cli.chat_session.chat_commands import HELP, read_command, run_command
from forefront.cli.chat_session.conversation import ChatHistory, ChatModel
from forefront.cli.chat_session.markdown_writer import MarkdownWriter, finished_length
from forefront.cli.commands import chat as command
from forefront.cli.options import client_options
from forefront.cli.options.client_options import default_model, strip_controls
from tests.client.fakes import DONE, Body, Server, chunk, events, frame, stream_of

ENTER, NEW_LINE, CTRL_C, CTRL_D, UP = "\r", "\x1b\r", "\x03", "\x04", "\x1b[A"
MODELS = {"object": "list", "data": [{"id": "first", "created": 1, "owned_by": "x"}, {"id": "second"}]}
FAILURE = {"error": {"message": "slow\ndown", "code": "rate_limit_exceeded"}}


def echo(request: httpx.Request) -> httpx.Response:
    """Lists models; answers with the last message. `fail`, `cut` and `stop` in it have their effect."""
    if request.method == "GET":
        return httpx.Response(200, json=MODELS)
    last_prompt = json.loads(request.content)["messages"][-1]["content"]
    if last_prompt == "refuse":
        return httpx.Response(429, json=FAILURE)
    ending = {"fail": frame(FAILURE), "cut": frame(length()) + DONE}.get(last_prompt, DONE)
    body = Body([*events("You said: ", last_prompt), *([] if last_prompt == "stop" else [ending])])
    if last_prompt == "stop":
        body.fail = KeyboardInterrupt()
    return stream_of(body)


def length() -> dict[str, Any]:
    body = chunk("")
    body["choices"][0]["finish_reason"] = "length"
    return body


@pytest.fixture
def server() -> Server:
    return Server(echo)


@pytest.fixture
def conversation(server: Server) -> ChatHistory:
    return ChatHistory(ChatModel(server.client(), "m"))


def discard(text: str) -> None:
    """Drop the text."""


def contents(conversation: ChatHistory) -> list[object]:
    return [turn["content"] for turn in conversation.history]


def test_turns_are_kept_and_sent(server: Server, conversation: ChatHistory) -> None:
    written: list[str] = []
    assert conversation.send("Hi", written.append).text == "You said: Hi"
    assert written == ["You said: ", "Hi"]
    run_command(conversation, "system", "Be brief.")
    conversation.send("Bye", written.append)
    assert server.sent == {
        "model": "m",
        "stream": True,
        "messages": [
            {"role": "system", "content": "Be brief."},
            {"role": "user", "content": "Hi"},
            {"role": "assistant", "content": "You said: Hi"},
            {"role": "user", "content": "Bye"},
        ],
    }


@pytest.mark.parametrize("prompt", ["refuse", "fail"])
def test_a_failed_turn_is_forgotten(conversation: ChatHistory, prompt: str) -> None:
    conversation.send("Hi", discard)
    with pytest.raises(RateLimitError):
        conversation.send(prompt, discard)
    assert contents(conversation) == ["Hi", "You said: Hi"]


def test_ctrl_c_keeps_the_conversation(conversation: ChatHistory) -> None:
    answer = conversation.send("stop", discard)
    assert (answer.text, answer.interrupted) == ("You said: stop", True)
    assert contents(conversation) == ["stop", "You said: stop"]


def test_ctrl_c_before_the_first_token_removes_the_turn() -> None:
    server = Server(stream_of(Body([], fail=KeyboardInterrupt())))
    conversation = ChatHistory(ChatModel(server.client(), "m"))
    assert conversation.send("Hi", discard).interrupted
    assert conversation.history == []


def test_the_limit_of_tokens_is_noticed(conversation: ChatHistory) -> None:
    assert conversation.send("cut", discard).truncated
    assert not conversation.send("Hi", discard).truncated


def test_commands(conversation: ChatHistory) -> None:
    conversation.send("Hi", discard)
    assert run_command(conversation, "system", "Be brief.")
    assert run_command(conversation, "clear", "")
    assert (conversation.history, conversation.system) == ([], "Be brief.")
    assert run_command(conversation, "system", "")
    assert not conversation.system
    assert run_command(conversation, "help", "") == HELP
    assert "/nonsense" in (run_command(conversation, "nonsense", "") or "")
    assert run_command(conversation, "exit", "") is None


@pytest.mark.parametrize(
    ("line", "expected"),
    [
        ("/exit", ("exit", "")),
        (" /system  Be brief. \n", ("system", "Be brief.")),
        ("/system a\nb", ("system", "a\nb")),
        ("hello /exit", None),
        ("/etc/hosts has what?", None),
        ("/ what", None),
        ("", None),
    ],
)
def test_commands_are_recognised(line: str, expected: tuple[str, str] | None) -> None:
    assert read_command(line) == expected


def test_model_output_cannot_control_the_terminal() -> None:
    assert strip_controls("a\x1b[2J\x07\r\x9b1m\tb\né🎉") == "a[2J1m\tb\né🎉"


def test_the_default_model() -> None:
    assert default_model(Server(echo).client()) == "first"
    with pytest.raises(ForefrontError, match="no models"):
        default_model(Server(httpx.Response(200, json={"data": []})).client())


Run = Callable[..., Result]


@pytest.fixture
def run(server: Server, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Run:
    """Runs the command against the server, with keys `typed` on a terminal or `stdin` in a pipe."""
    monkeypatch.setenv("FOREFRONT_HOME", str(tmp_path))
    monkeypatch.setenv("FOREFRONT_API_KEY", "a-key")
    app = typer.Typer()
    app.command()(command.chat)
    monkeypatch.setattr(client_options, "ForefrontClient", lambda base_url: server.client())

    def invoke(
        *arguments: str, stdin: str | bytes | None = None, typed: list[str] | None = None, color: bool = False
    ) -> Result:
        if typed is None:
            return CliRunner().invoke(app, list(arguments), input=stdin, color=color)
        monkeypatch.setattr(command, "_on_terminal", lambda: True)
        with create_pipe_input() as terminal, create_app_session(input=terminal, output=DummyOutput()):
            terminal.send_text("".join(typed) + CTRL_D)
            return CliRunner().invoke(app, list(arguments))

    return invoke


def test_once(server: Server, run: Run) -> None:
    result = run("Hi", "--system", "Be brief.", "--temperature", "0", "--max-tokens", "5")
    assert (result.exit_code, result.stdout, result.stderr) == (0, "You said: Hi\n", "")
    assert server.sent["messages"][0] == {"role": "system", "content": "Be brief."}
    assert (server.sent["model"], server.sent["temperature"], server.sent["max_tokens"]) == ("first", 0, 5)


def test_a_named_model_needs_no_list(server: Server, run: Run) -> None:
    assert run("Hi", "--model", "second").exit_code == 0
    assert [request.method for request in server.requests] == ["POST"]


def test_a_pipe_is_one_prompt(server: Server, run: Run) -> None:
    result = run(stdin="one\ntwo\n")
    assert result.exit_code == 0
    assert server.sent["messages"] == [{"role": "user", "content": "one\ntwo\n"}]


@pytest.mark.parametrize(
    ("arguments", "stdin", "message"),
    [
        (["refuse"], None, "forefront: slow down (429 rate_limit_exceeded)\n"),
        (["Hi", "--temperature", "nan"], None, "forefront: `temperature` must be a finite number, not nan\n"),
        ([], " \n", "forefront: The prompt is empty.\n"),
    ],
)
def test_errors_take_one_line_and_exit_1(run: Run, arguments: list[str], stdin: str | None, message: str) -> None:
    result = run(*arguments, stdin=stdin)
    assert (result.exit_code, result.stdout, result.stderr) == (1, "", message)


def test_a_binary_pipe(run: Run) -> None:
    result = run(stdin=b"\xff\xfe")
    assert result.exit_code == 1
    assert result.stderr.startswith("forefront: ")


def test_ctrl_c_once(run: Run) -> None:
    result = run("stop")
    assert (result.exit_code, result.stdout) == (130, "You said: stop\n")


def test_a_truncated_answer_is_marked(run: Run) -> None:
    result = run("cut")
    assert (result.exit_code, result.stdout) == (0, "You said: cut\n")
    assert "cut off" in result.stderr


def test_a_conversation(server: Server, run: Run) -> None:
    lines = ["Hi", "", "fail", "dropped" + CTRL_C + "refuse", "stop", "/help", "/system Be brief.", "Bye"]
    result = run(typed=[line + ENTER for line in lines])
    assert result.exit_code == 0
    assert result.stdout.startswith("This is first. /help")
    assert HELP in result.stdout
    assert result.stderr.count("forefront: slow down (429 rate_limit_exceeded)\n") == 2
    assert [message["content"] for message in server.sent["messages"]] == [
        "Be brief.", "Hi", "You said: Hi", "stop", "You said: stop", "Bye",
    ]  # fmt: skip


def test_exit(server: Server, run: Run) -> None:
    assert run(typed=["/exit" + ENTER, "Hi" + ENTER]).exit_code == 0
    assert [request.method for request in server.requests] == ["GET"]


def test_several_lines_and_the_history(server: Server, run: Run, tmp_path: Path) -> None:
    assert run(typed=["one" + NEW_LINE + "two\nthree" + ENTER]).exit_code == 0
    assert server.sent["messages"][-1]["content"] == "one\ntwo\nthree"
    path = tmp_path / "chat_history"
    assert path.stat().st_mode & 0o777 == 0o600
    assert run(typed=[UP + " again" + ENTER]).exit_code == 0
    assert server.sent["messages"][-1]["content"] == "one\ntwo\nthree again"


def test_a_home_that_cannot_be_written(run: Run, tmp_path: Path) -> None:
    (tmp_path / "chat_history").mkdir()
    assert run(typed=["Hi" + ENTER]).exit_code == 0


def test_another_model(server: Server, run: Run) -> None:
    result = run(typed=["/model" + ENTER, "/model third" + ENTER, "/model second" + ENTER, "Hi" + ENTER])
    assert "* first\n  second\n" in result.stdout
    assert "There is no model third" in result.stdout
    assert server.sent["model"] == "second"


def test_ctrl_c_within_a_command_keeps_the_conversation(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    def stop(*_: object) -> str:
        raise KeyboardInterrupt

    monkeypatch.setattr(command, "run_command", stop)
    result = run(typed=["/model" + ENTER, "Hi" + ENTER])
    assert (result.exit_code, "You said: Hi" in result.stdout) == (0, True)


def test_a_conversation_that_cannot_be_written_leaves_no_file(conversation: ChatHistory, tmp_path: Path) -> None:
    path = tmp_path / "a.md"
    assert "no conversation" in (run_command(conversation, "save", str(path)) or "")
    conversation.history = [{"role": "user", "content": "\ud800"}]
    for name in (str(path), "~no-such-user/a.md"):
        with pytest.raises(ForefrontError, match="cannot be written"):
            run_command(conversation, "save", name)
    assert not path.exists()


def test_an_answer_that_has_not_begun_shows_its_state() -> None:
    console = Console(file=StringIO(), force_terminal=True, width=60, color_system=None)
    with MarkdownWriter(console) as writer, console.capture() as capture:
        console.print(writer._growing())
        writer.reasoning()
        console.print(writer._growing())
        writer.write("Text")
        console.print(writer._growing())
    states = dict.fromkeys(re.findall(r"Waiting …|Reasoning …|Text", capture.get()))
    assert list(states) == ["Waiting …", "Reasoning …", "Text"]


@pytest.mark.parametrize(("value", "red"), [("", True), ("1", False)])
def test_no_color(run: Run, monkeypatch: pytest.MonkeyPatch, value: str, red: bool) -> None:
    monkeypatch.setenv("NO_COLOR", value)
    assert ("\x1b[31m" in run("refuse", color=True).stderr) == red


def test_saving(conversation: ChatHistory, tmp_path: Path) -> None:
    conversation.send("Hi", discard)
    conversation.system = "Be brief."
    for name in ("a.json", "a.md"):
        assert "is in" in (run_command(conversation, "save", str(tmp_path / name)) or "")
    assert json.loads((tmp_path / "a.json").read_text()) == conversation.messages()
    assert (tmp_path / "a.md").read_text().startswith("## Instructions\n\nBe brief.\n\n## You\n\nHi\n\n## Model\n")
    assert "exists" in (run_command(conversation, "save", str(tmp_path / "a.md")) or "")
    with pytest.raises(ForefrontError, match="cannot be written"):
        run_command(conversation, "save", str(tmp_path / "none" / "a.md"))


ANSWER = """# Title

Some *text* with `code`.

1. one

   more of one

2. two

```python
a = 1

b = 2
```

| a | b |
|---|---|
| 1 | 2 |
"""


def rendered(pieces: list[str]) -> str:
    file = StringIO()
    with MarkdownWriter(Console(file=file, force_terminal=True, width=60, color_system=None)) as writer:
        for piece in pieces:
            writer.write(piece)
    return re.sub(r"\x1b\[[0-9;?]*[A-Za-z]", "", file.getvalue()).replace("\r", "")


def test_rendering_does_not_depend_on_stream_pieces() -> None:
    for size in (1, 3, 7, 50):
        shown = rendered([ANSWER[at : at + size] for at in range(0, len(ANSWER), size)])
        for text in ("Title", "Some text with code.", " 1 one", "more of one", " 2 two", "a = 1", "b = 2", " 1  2 "):
            assert text in shown
        assert "```" not in shown.split("b = 2")[-1]


@pytest.mark.parametrize(
    ("text", "finished"),
    [
        ("One.\n\nTwo", ""),
        ("One.\n\nTwo and more", "One.\n\n"),
        ("One.", ""),
        ("1. a\n\n2. b", ""),
        ("- a\n\n  b and", ""),
        ("```\na\n\nbcde", ""),
        ("```\na\n```\n\nbcde", "```\na\n```\n\n"),
        ("~~~\n```\n\nbcde", ""),
    ],
)
def test_finished_markdown_blocks_are_not_rendered_again(text: str, finished: str) -> None:
    assert text[: finished_length(text)] == finished


def test_an_answer_cannot_control_the_terminal() -> None:
    shown = rendered(["[link](https://evil.example)\x1b]0;title\x07 ", "\x1b[2Jend"])
    assert "https://evil.example" in shown
    assert "\x07" not in shown
    assert "]0;title" in shown
