"""`forefront chat`: talk to a model in the terminal."""

import re
import sys
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, field
from typing import Annotated

import msgspec
import typer

from forefront import ChatCompletion, ForefrontClient
from forefront.cli.client_options import (
    ERRORS,
    AsJson,
    BaseUrl,
    MaxTokens,
    Model,
    Temperature,
    complain,
    failing_well,
    finish,
    first_model,
    given_prompt,
    printable,
    write,
)

HELP = """\
/system TEXT   say how the model should behave; without TEXT, stop saying so
/clear         forget the conversation
/help          show this
/exit          leave, as Ctrl-D does
Ctrl-C stops an answer. What was said of it stays in the conversation."""

_COMMAND = re.compile(r"/(?P<name>[a-z]+)(?:\s+(?P<text>.*))?", re.DOTALL)


def chat(
    prompt: Annotated[
        str | None,
        typer.Argument(
            help="Answer this once and exit. Without it, standard input is the prompt when it is no terminal."
        ),
    ] = None,
    model: Model = None,
    system: Annotated[str | None, typer.Option(help="How the model should behave.", show_default=False)] = None,
    temperature: Temperature = None,
    max_tokens: MaxTokens = None,
    as_json: AsJson = False,
    base_url: BaseUrl = None,
) -> None:
    """Talk to a model. Needs a running server and its key in `FOREFRONT_API_KEY`.

    In the conversation, `/help` lists the commands.
    """
    with failing_well(), ForefrontClient(base_url=base_url) as client:
        interactive = prompt is None and not as_json and _on_terminal()
        text = None if interactive else given_prompt(prompt)
        chosen = model or first_model(client)
        conversation = Conversation(Asker(client, chosen, temperature, max_tokens), system)
        if text is None:
            _converse(conversation, chosen)
        elif as_json:
            typer.echo(msgspec.json.encode(conversation.answer(text)).decode())
        else:
            _answer_once(conversation, text)


@dataclass(frozen=True, slots=True)
class Answer:
    """What the model said. `stopped` by Ctrl-C; `cut` by the limit of tokens."""

    text: str
    stopped: bool = False
    cut: bool = False


@dataclass(frozen=True, slots=True)
class Asker:
    """Asks one model, always with the same settings."""

    client: ForefrontClient
    model: str
    temperature: float | None = None
    max_tokens: int | None = None

    def ask(self, messages: list[dict[str, str]], write: Callable[[str], None]) -> Answer:
        """Stream the answer into `write`; Ctrl-C ends it. Raises `ForefrontError`."""
        parts: list[str] = []
        cut = False
        try:
            with self.client.chat.completions.create(
                messages=messages,
                model=self.model,
                temperature=self.temperature,
                max_tokens=self.max_tokens,
                stream=True,
            ) as stream:
                for chunk in stream:
                    for choice in chunk.choices:
                        parts.append(choice.delta.content or "")
                        write(parts[-1])
                        cut = cut or choice.finish_reason == "length"
        except KeyboardInterrupt:
            return Answer("".join(parts), stopped=True)
        return Answer("".join(parts), cut=cut)

    def whole(self, messages: list[dict[str, str]]) -> ChatCompletion:
        """The answer as the server gives it. Raises `ForefrontError`."""
        return self.client.chat.completions.create(
            messages=messages, model=self.model, temperature=self.temperature, max_tokens=self.max_tokens
        )


@dataclass(slots=True)
class Conversation:
    """What has been said, and how the model should behave. Only turns that were answered are kept."""

    asker: Asker
    system: str | None = None
    turns: list[dict[str, str]] = field(default_factory=list)

    def say(self, prompt: str, write: Callable[[str], None]) -> Answer:
        """Ask; the prompt and its answer stay unless there is no answer. Raises `ForefrontError`, and then forgets."""
        answer = self.asker.ask(self._messages(prompt), write)
        if answer.text or not answer.stopped:
            question = {"role": "user", "content": prompt}
            self.turns += [question, {"role": "assistant", "content": answer.text}]
        return answer

    def answer(self, prompt: str) -> ChatCompletion:
        """The whole answer to `prompt`, which is not kept. Raises `ForefrontError`."""
        return self.asker.whole(self._messages(prompt))

    def _messages(self, prompt: str) -> list[dict[str, str]]:
        system = [{"role": "system", "content": self.system}] if self.system else []
        return [*system, *self.turns, {"role": "user", "content": prompt}]

    def obey(self, name: str, text: str) -> str | None:
        """Carry out the command; what to tell of it, or None to leave."""
        match name:
            case "exit" | "quit":
                return None
            case "clear":
                self.turns.clear()
                return "The conversation is forgotten."
            case "system":
                self.system = text or None
                return "The model will be told so." if text else "The model is no longer told how to behave."
            case "help":
                return HELP
        return f"There is no /{name}; /help shows what there is."


def read_command(line: str) -> tuple[str, str] | None:
    """The command and its text, or None when `line` is said to the model, as a path (`/etc/hosts`) is."""
    match = _COMMAND.fullmatch(line.strip())
    return (match["name"], match["text"] or "") if match else None


def _on_terminal() -> bool:
    return sys.stdin.isatty()


def _answer_once(conversation: Conversation, prompt: str) -> None:
    answer = conversation.say(prompt, write)
    finish(answer.text, stopped=answer.stopped, cut=answer.cut)
    if answer.stopped:
        raise typer.Exit(130)


def _converse(conversation: Conversation, model: str) -> None:
    _prepare_line_editing()
    typer.secho(f"This is {printable(model)}. /help shows the commands, Ctrl-D leaves.", dim=True)
    while (line := _read_line()) is not None:
        if command := read_command(line):
            told = conversation.obey(*command)
            if told is None:
                return
            typer.secho(told, dim=True)
        elif line.strip():
            _take_turn(conversation, line)


def _take_turn(conversation: Conversation, line: str) -> None:
    said: list[str] = []

    def say(text: str) -> None:
        said.append(text)
        write(text)

    try:
        answer = conversation.say(line, say)
        finish(answer.text, stopped=answer.stopped, cut=answer.cut)
    except ERRORS as error:
        if any(said):
            typer.echo()
        complain(error)


def _read_line() -> str | None:
    """What is typed at the prompt; None for Ctrl-D. Ctrl-C drops what was typed."""
    while True:
        try:
            return input("> ")
        except EOFError:
            typer.echo()
            return None
        except KeyboardInterrupt:
            typer.echo()


def _prepare_line_editing() -> None:
    with suppress(ImportError):
        import readline  # noqa: F401 - `input` uses it once it is loaded
