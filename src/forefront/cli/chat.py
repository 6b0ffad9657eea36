"""`forefront chat`: talk to a model in the terminal."""

import re
import sys
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, field
from typing import Annotated

import typer

from forefront import ForefrontClient, ForefrontError

HELP = """\
/system TEXT   say how the model should behave; without TEXT, stop saying so
/clear         forget the conversation
/help          show this
/exit          leave, as Ctrl-D does
Ctrl-C stops an answer. What was said of it stays in the conversation."""

# The second is for what cannot be sent: text that is not Unicode, a temperature of `nan`.
_ERRORS = (ForefrontError, ValueError)
_COMMAND = re.compile(r"/(?P<name>[a-z]+)(?:\s+(?P<text>.*))?", re.DOTALL)
# All control characters but tab and line feed: what a model writes must not steer the terminal.
_CONTROL = re.compile(r"[\x00-\x08\x0b-\x1f\x7f-\x9f]")


def chat(
    prompt: Annotated[
        str | None,
        typer.Argument(
            help="Answer this once and exit. Without it, standard input is the prompt when it is no terminal."
        ),
    ] = None,
    model: Annotated[
        str | None,
        typer.Option(help="Model to talk to. [default: the first that the server lists]", show_default=False),
    ] = None,
    system: Annotated[str | None, typer.Option(help="How the model should behave.", show_default=False)] = None,
    temperature: Annotated[
        float | None, typer.Option(help="0 for the likeliest answer, up to 2 for variety.", show_default=False)
    ] = None,
    max_tokens: Annotated[
        int | None, typer.Option(min=1, help="Most tokens that an answer may have.", show_default=False)
    ] = None,
    base_url: Annotated[
        str | None,
        typer.Option(
            envvar="FOREFRONT_BASE_URL", help="Server to ask. [default: http://127.0.0.1:8000]", show_default=False
        ),
    ] = None,
) -> None:
    """Talk to a model. Needs a running server and its key in `FOREFRONT_API_KEY`.

    In the conversation, `/help` lists the commands.
    """
    interactive = prompt is None and _on_terminal()
    try:
        with ForefrontClient(base_url=base_url) as client:
            if prompt is None and not interactive:
                prompt = sys.stdin.read()
            chosen = model or first_model(client)
            conversation = Conversation(Asker(client, chosen, temperature, max_tokens), system)
            if prompt is None:
                _converse(conversation, chosen)
            else:
                _answer_once(conversation, prompt)
    except _ERRORS as error:
        _complain(error)
        raise typer.Exit(1) from None
    except KeyboardInterrupt:
        raise typer.Exit(130) from None


def first_model(client: ForefrontClient) -> str:
    """The model that the server lists first. Raises `ForefrontError` when it lists none."""
    models = client.models.list().data
    if not models:
        raise ForefrontError("The server serves no models.")
    return models[0].id


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
                        write(printable(parts[-1]))
                        cut = cut or choice.finish_reason == "length"
        except KeyboardInterrupt:
            return Answer("".join(parts), stopped=True)
        return Answer("".join(parts), cut=cut)


@dataclass(slots=True)
class Conversation:
    """What has been said, and how the model should behave. Only turns that were answered are kept."""

    asker: Asker
    system: str | None = None
    turns: list[dict[str, str]] = field(default_factory=list)

    def say(self, prompt: str, write: Callable[[str], None]) -> Answer:
        """Ask; the prompt and its answer stay unless there is no answer. Raises `ForefrontError`, and then forgets."""
        system = [{"role": "system", "content": self.system}] if self.system else []
        question = {"role": "user", "content": prompt}
        answer = self.asker.ask([*system, *self.turns, question], write)
        if answer.text or not answer.stopped:
            self.turns += [question, {"role": "assistant", "content": answer.text}]
        return answer

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


def printable(text: str) -> str:
    """`text` without what would steer the terminal."""
    return _CONTROL.sub("", text)


def _on_terminal() -> bool:
    return sys.stdin.isatty()


def _answer_once(conversation: Conversation, prompt: str) -> None:
    if not prompt.strip():
        raise ForefrontError("There is no prompt.")
    answer = conversation.say(prompt, _write)
    _finish(answer)
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

    def write(text: str) -> None:
        said.append(text)
        _write(text)

    try:
        _finish(conversation.say(line, write))
    except _ERRORS as error:
        if any(said):
            typer.echo()
        _complain(error)


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


def _write(text: str) -> None:
    typer.echo(text, nl=False)


def _finish(answer: Answer) -> None:
    """End the answer's last line, and say why it ended early."""
    if not answer.text.endswith("\n"):
        typer.echo()
    if answer.stopped:
        typer.secho("(stopped)", dim=True, err=True)
    elif answer.cut:
        typer.secho("(cut off: no more tokens were allowed)", dim=True, err=True)


def _complain(error: Exception) -> None:
    typer.secho("forefront: " + " ".join(printable(str(error)).split()), fg="red", err=True)
