"""`forefront chat`: a conversation with a model in the terminal."""

import sys
from contextlib import ExitStack
from typing import Annotated

import msgspec
import typer
from rich.console import Console

from forefront.cli.chat_session.chat_commands import read_command, run_command
from forefront.cli.chat_session.conversation import ChatHistory, ChatModel
from forefront.cli.options.client_options import (
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
        conversation = ChatHistory(ChatModel(client, name, temperature, max_tokens), system)
        if text is None:
            _converse(conversation, name)
        elif as_json:
            typer.echo(msgspec.json.encode(conversation.complete(text)).decode())
        else:
            _answer_once(conversation, text)


def _on_terminal() -> bool:
    return sys.stdin.isatty()


def _answer_once(conversation: ChatHistory, prompt: str) -> None:
    reply = conversation.send(prompt, write)
    finish(reply.text, interrupted=reply.interrupted, truncated=reply.truncated)
    if reply.interrupted:
        raise typer.Exit(130)


def _converse(conversation: ChatHistory, model: str) -> None:
    # A single prompt starts without these libraries.
    from forefront.cli.chat_session.message_input import MessageInput, history_path

    console = Console(highlight=False)
    messages = MessageInput(history_path())
    typer.secho(f"This is {strip_controls(model)}. /help shows the commands, Ctrl-D leaves.", dim=True)
    while (line := messages.read()) is not None:
        try:
            if command := read_command(line):
                output = run_command(conversation, *command)
                if output is None:
                    return
                typer.secho(output, dim=True)
            elif line.strip():
                _answer_message(conversation, line, console)
        except ERRORS as error:
            print_error(error)
        except KeyboardInterrupt:  # during a command, or as an answer ended
            typer.echo()


def _answer_message(conversation: ChatHistory, line: str, console: Console) -> None:
    """Print the answer, on a terminal as Markdown. Raises `ForefrontError`."""
    if console.is_terminal:
        from forefront.cli.chat_session.markdown_writer import MarkdownWriter
        from forefront.cli.chat_session.message_input import without_echo

        with without_echo(), MarkdownWriter(console) as markdown:
            reply = conversation.send(line, markdown.write, markdown.reasoning)
        finish("\n", interrupted=reply.interrupted, truncated=reply.truncated)
        return
    with ExitStack() as stack:
        written: list[str] = []
        stack.callback(lambda: typer.echo() if any(written) else None)

        def write_and_keep(text: str) -> None:
            written.append(text)
            write(text)

        reply = conversation.send(line, write_and_keep)
        stack.pop_all()
    finish(reply.text, interrupted=reply.interrupted, truncated=reply.truncated)
