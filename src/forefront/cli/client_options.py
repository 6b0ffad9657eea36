"""What the commands that ask a model have in common: options, the model by default, and how they fail."""

import re
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Annotated

import typer

from forefront import ForefrontClient, ForefrontError

# The second is for what cannot be sent: text that is not Unicode, a temperature of `nan`.
ERRORS = (ForefrontError, ValueError)
# All control characters but tab and line feed: what a model writes must not steer the terminal.
_CONTROL = re.compile(r"[\x00-\x08\x0b-\x1f\x7f-\x9f]")

Model = Annotated[
    str | None,
    typer.Option(help="Model to ask. [default: the first that the server lists]", show_default=False),
]
Temperature = Annotated[
    float | None, typer.Option(help="0 for the likeliest answer, up to 2 for variety.", show_default=False)
]
MaxTokens = Annotated[int | None, typer.Option(min=1, help="Most tokens that an answer may have.", show_default=False)]
AsJson = Annotated[bool, typer.Option("--json", help="Print the whole answer as the server's JSON, on one line.")]
BaseUrl = Annotated[
    str | None,
    typer.Option(
        envvar="FOREFRONT_BASE_URL", help="Server to ask. [default: http://127.0.0.1:8000]", show_default=False
    ),
]


@contextmanager
def failing_well() -> Iterator[None]:
    """End the command with a line and status 1 when it fails, with status 130 at Ctrl-C."""
    try:
        yield
    except ERRORS as error:
        complain(error)
        raise typer.Exit(1) from None
    except KeyboardInterrupt:
        raise typer.Exit(130) from None


def given_prompt(prompt: str | None) -> str:
    """The argument, else standard input to its end. Raises `ForefrontError` for nothing but white space."""
    text = sys.stdin.read() if prompt is None else prompt
    if not text.strip():
        raise ForefrontError("There is no prompt.")
    return text


def first_model(client: ForefrontClient) -> str:
    """The model that the server lists first. Raises `ForefrontError` when it lists none."""
    models = client.models.list().data
    if not models:
        raise ForefrontError("The server serves no models.")
    return models[0].id


def printable(text: str) -> str:
    """`text` without what would steer the terminal."""
    return _CONTROL.sub("", text)


def write(text: str) -> None:
    """Show a piece of an answer at once."""
    typer.echo(printable(text), nl=False)


def finish(text: str, *, stopped: bool = False, cut: bool = False) -> None:
    """End the answer's last line, and say why it ended early."""
    if not text.endswith("\n"):
        typer.echo()
    if stopped:
        typer.secho("(stopped)", dim=True, err=True)
    elif cut:
        typer.secho("(cut off: no more tokens were allowed)", dim=True, err=True)


def complain(error: Exception) -> None:
    """Say in one line what went wrong."""
    typer.secho("forefront: " + " ".join(printable(str(error)).split()), fg="red", err=True)
