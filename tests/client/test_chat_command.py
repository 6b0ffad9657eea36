"""`forefront chat`: the conversation, its commands, and the terminal around it."""

import json
from collections.abc import Callable, Iterator
from typing import Any

import httpx
import pytest
import typer
from typer.testing import CliRunner, Result

from forefront import ForefrontError, RateLimitError
from forefront.cli import client_options
from forefront.cli.client_options import default_model, strip_controls
from forefront.cli.commands import chat as command
from forefront.cli.commands.chat import HELP, ChatModel, Conversation, read_command
from tests.client.fakes import DONE, Body, Server, chunk, events, frame, stream_of

MODELS = {"object": "list", "data": [{"id": "first", "created": 1, "owned_by": "x"}, {"id": "second"}]}
FAILURE = {"error": {"message": "slow\ndown", "code": "rate_limit_exceeded"}}


def echo(request: httpx.Request) -> httpx.Response:
    """Lists models; answers with what was said last. `fail`, `cut` and `stop` in it have their effect."""
    if request.method == "GET":
        return httpx.Response(200, json=MODELS)
    asked = json.loads(request.content)["messages"][-1]["content"]
    if asked == "refuse":
        return httpx.Response(429, json=FAILURE)
    ending = {"fail": frame(FAILURE), "cut": frame(length()) + DONE}.get(asked, DONE)
    body = Body([*events("You said: ", asked), *([] if asked == "stop" else [ending])])
    if asked == "stop":
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
def conversation(server: Server) -> Conversation:
    return Conversation(ChatModel(server.client(), "m"))


def discard(text: str) -> None:
    """Drop the text."""


def said(conversation: Conversation) -> list[object]:
    return [turn["content"] for turn in conversation.history]


def test_turns_are_kept_and_sent(server: Server, conversation: Conversation) -> None:
    written: list[str] = []
    assert conversation.send("Hi", written.append).text == "You said: Hi"
    assert written == ["You said: ", "Hi"]
    conversation.handle_command("system", "Be brief.")
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
def test_a_failed_turn_is_forgotten(conversation: Conversation, prompt: str) -> None:
    conversation.send("Hi", discard)
    with pytest.raises(RateLimitError):
        conversation.send(prompt, discard)
    assert said(conversation) == ["Hi", "You said: Hi"]


def test_ctrl_c_keeps_what_was_said(conversation: Conversation) -> None:
    answer = conversation.send("stop", discard)
    assert (answer.text, answer.interrupted) == ("You said: stop", True)
    assert said(conversation) == ["stop", "You said: stop"]


def test_ctrl_c_before_the_first_word_forgets_the_turn() -> None:
    server = Server(stream_of(Body([], fail=KeyboardInterrupt())))
    conversation = Conversation(ChatModel(server.client(), "m"))
    assert conversation.send("Hi", discard).interrupted
    assert conversation.history == []


def test_the_limit_of_tokens_is_noticed(conversation: Conversation) -> None:
    assert conversation.send("cut", discard).truncated
    assert not conversation.send("Hi", discard).truncated


def test_commands(conversation: Conversation) -> None:
    conversation.send("Hi", discard)
    assert conversation.handle_command("system", "Be brief.")
    assert conversation.handle_command("clear", "")
    assert (conversation.history, conversation.system) == ([], "Be brief.")
    assert conversation.handle_command("system", "")
    assert not conversation.system
    assert conversation.handle_command("help", "") == HELP
    assert "/nonsense" in (conversation.handle_command("nonsense", "") or "")
    assert conversation.handle_command("exit", "") is None


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
def test_what_is_a_command(line: str, expected: tuple[str, str] | None) -> None:
    assert read_command(line) == expected


def test_a_model_cannot_steer_the_terminal() -> None:
    assert strip_controls("a\x1b[2J\x07\r\x9b1m\tb\né🎉") == "a[2J1m\tb\né🎉"


def test_the_default_model() -> None:
    assert default_model(Server(echo).client()) == "first"
    with pytest.raises(ForefrontError, match="no models"):
        default_model(Server(httpx.Response(200, json={"data": []})).client())


Run = Callable[..., Result]


@pytest.fixture
def run(server: Server, monkeypatch: pytest.MonkeyPatch) -> Run:
    """Runs the command against the server, with `typed` lines on a terminal or `stdin` in a pipe."""
    app = typer.Typer()
    app.command()(command.chat)
    monkeypatch.setattr(client_options, "ForefrontClient", lambda base_url: server.client())

    def type_in(typed: list[Any]) -> Callable[[str], str]:
        lines: Iterator[Any] = iter([*typed, EOFError()])

        def read(prompt: str) -> str:
            line = next(lines)
            if isinstance(line, BaseException):
                raise line
            return str(line)

        return read

    def invoke(*arguments: str, stdin: str | bytes | None = None, typed: list[Any] | None = None) -> Result:
        if typed is not None:
            monkeypatch.setattr("builtins.input", type_in(typed))
            monkeypatch.setattr(command, "_on_terminal", lambda: True)
        return CliRunner().invoke(app, list(arguments), input=stdin)

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


def test_a_pipe_that_is_not_text(run: Run) -> None:
    result = run(stdin=b"\xff\xfe")
    assert result.exit_code == 1
    assert result.stderr.startswith("forefront: ")


def test_ctrl_c_once(run: Run) -> None:
    result = run("stop")
    assert (result.exit_code, result.stdout) == (130, "You said: stop\n")


def test_an_answer_that_is_cut_off_says_so(run: Run) -> None:
    result = run("cut")
    assert (result.exit_code, result.stdout) == (0, "You said: cut\n")
    assert "cut off" in result.stderr


def test_a_conversation(server: Server, run: Run) -> None:
    result = run(typed=["Hi", "", "fail", KeyboardInterrupt(), "refuse", "stop", "/help", "/system Be brief.", "Bye"])
    assert result.exit_code == 0
    assert result.stdout.startswith("This is first. /help")
    assert HELP in result.stdout
    assert result.stderr.count("forefront: slow down (429 rate_limit_exceeded)\n") == 2
    assert [message["content"] for message in server.sent["messages"]] == [
        "Be brief.", "Hi", "You said: Hi", "stop", "You said: stop", "Bye",
    ]  # fmt: skip


def test_exit(server: Server, run: Run) -> None:
    assert run(typed=["/exit", "Hi"]).exit_code == 0
    assert [request.method for request in server.requests] == ["GET"]
