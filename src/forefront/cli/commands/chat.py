"""`forefront chat`: a conversation with a model in the terminal."""

import re
import sys
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, field
from typing import Annotated

import msgspec
import typer

from forefront import ChatCompletion, ForefrontClient, MessageParam
from forefront.cli.client_options import (
    ERRORS,
    AsJson,
    BaseUrl,
    MaxTokens,
    Model,
    Temperature,
    connect,
    default_model,
    finish,
    handle_errors,
    print_error,
    read_prompt,
    strip_controls,
    write,
)

HELP = """\
/system TEXT   set the instructions of the model; without TEXT, remove them
/clear         forget the conversation
/help          show this
/exit          leave, as Ctrl-D does
Ctrl-C stops an answer. Its text up to there stays in the conversation."""

_COMMAND = re.compile(r"/(?P<name>[a-z]+)(?:\s+(?P<text>.*))?", re.DOTALL)


def chat(
    prompt: Annotated[
        str | None,
        typer.Argument(help="Answer this prompt and exit. [default: standard input, unless it is a terminal]"),
    ] = None,
    model: Model = None,
    system: Annotated[str | None, typer.Option(help="Instructions for the model.", show_default=False)] = None,
    temperature: Temperature = None,
    max_tokens: MaxTokens = None,
    as_json: AsJson = False,
    base_url: BaseUrl = None,
) -> None:
    """Talk to a model. Needs a running server and its key in `FOREFRONT_API_KEY`.

    In the conversation, `/help` lists the commands.
    """
    with handle_errors(), connect(base_url) as client:
        interactive = prompt is None and not as_json and _on_terminal()
        text = None if interactive else read_prompt(prompt)
        name = model or default_model(client)
        conversation = Conversation(ChatModel(client, name, temperature, max_tokens), system)
        if text is None:
            _converse(conversation, name)
        elif as_json:
            typer.echo(msgspec.json.encode(conversation.complete(text)).decode())
        else:
            _answer_once(conversation, text)


@dataclass(frozen=True, slots=True)
class ChatReply:
    """The text of an answer. `interrupted` by Ctrl-C; `truncated` by the limit of tokens."""

    text: str
    interrupted: bool = False
    truncated: bool = False


@dataclass(frozen=True, slots=True)
class ChatModel:
    """A model of a server, with the parameters of all requests."""

    client: ForefrontClient
    name: str
    temperature: float | None = None
    max_tokens: int | None = None

    def stream(self, messages: list[MessageParam], write: Callable[[str], None]) -> ChatReply:
        """Stream the answer into `write`. Ctrl-C ends it. Raises `ForefrontError`."""
        parts: list[str] = []
        truncated = False
        try:
            with self.client.chat.completions.create(
                messages=messages,
                model=self.name,
                temperature=self.temperature,
                max_tokens=self.max_tokens,
                stream=True,
            ) as stream:
                for chunk in stream:
                    for choice in chunk.choices:
                        parts.append(choice.delta.content or "")
                        write(parts[-1])
                        truncated = truncated or choice.finish_reason == "length"
        except KeyboardInterrupt:
            return ChatReply("".join(parts), interrupted=True)
        return ChatReply("".join(parts), truncated=truncated)

    def complete(self, messages: list[MessageParam]) -> ChatCompletion:
        """The server's whole response. Raises `ForefrontError`."""
        return self.client.chat.completions.create(
            messages=messages, model=self.name, temperature=self.temperature, max_tokens=self.max_tokens
        )


@dataclass(slots=True)
class Conversation:
    """The instructions and the history: prompts that were answered, and their answers."""

    model: ChatModel
    system: str | None = None
    history: list[MessageParam] = field(default_factory=list)

    def send(self, prompt: str, write: Callable[[str], None]) -> ChatReply:
        """Stream an answer and add it to the history with its prompt. After a `ForefrontError` neither is added."""
        reply = self.model.stream(self._messages(prompt), write)
        if reply.text or not reply.interrupted:
            self.history += [{"role": "user", "content": prompt}, {"role": "assistant", "content": reply.text}]
        return reply

    def complete(self, prompt: str) -> ChatCompletion:
        """The whole response to `prompt`, without a change of the history. Raises `ForefrontError`."""
        return self.model.complete(self._messages(prompt))

    def _messages(self, prompt: str) -> list[MessageParam]:
        system: list[MessageParam] = [{"role": "system", "content": self.system}] if self.system else []
        return [*system, *self.history, {"role": "user", "content": prompt}]

    def handle_command(self, name: str, text: str) -> str | None:
        """Run the command. Returns its output, or None to leave."""
        match name:
            case "exit" | "quit":
                return None
            case "clear":
                self.history.clear()
                return "The conversation is forgotten."
            case "system":
                self.system = text or None
                return "The instructions are set." if text else "The instructions are removed."
            case "help":
                return HELP
        return f"There is no /{name}; /help lists the commands."


def read_command(line: str) -> tuple[str, str] | None:
    """The command and its text, or None for a prompt, such as one that begins with a path (`/etc/hosts`)."""
    match = _COMMAND.fullmatch(line.strip())
    return (match["name"], match["text"] or "") if match else None


def _on_terminal() -> bool:
    return sys.stdin.isatty()


def _answer_once(conversation: Conversation, prompt: str) -> None:
    reply = conversation.send(prompt, write)
    finish(reply.text, interrupted=reply.interrupted, truncated=reply.truncated)
    if reply.interrupted:
        raise typer.Exit(130)


def _converse(conversation: Conversation, model: str) -> None:
    _enable_line_editing()
    typer.secho(f"This is {strip_controls(model)}. /help shows the commands, Ctrl-D leaves.", dim=True)
    while (line := _read_line()) is not None:
        if command := read_command(line):
            output = conversation.handle_command(*command)
            if output is None:
                return
            typer.secho(output, dim=True)
        elif line.strip():
            _answer_line(conversation, line)


def _answer_line(conversation: Conversation, line: str) -> None:
    written: list[str] = []

    def write_and_keep(text: str) -> None:
        written.append(text)
        write(text)

    try:
        reply = conversation.send(line, write_and_keep)
        finish(reply.text, interrupted=reply.interrupted, truncated=reply.truncated)
    except ERRORS as error:
        if any(written):
            typer.echo()
        print_error(error)


def _read_line() -> str | None:
    """The next line from the terminal; None for Ctrl-D. Ctrl-C drops the line."""
    while True:
        try:
            return input("> ")
        except EOFError:
            typer.echo()
            return None
        except KeyboardInterrupt:
            typer.echo()
        except UnicodeDecodeError as error:
            print_error(error)


def _enable_line_editing() -> None:
    with suppress(ImportError):
        import readline  # noqa: F401 - `input` uses it once it is imported
