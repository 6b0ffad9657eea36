"""The shared parts of the client commands: options, the default model, output and errors."""

import os
import re
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Annotated, Any, TypeVar

import msgspec
import typer

from forefront import ForefrontClient, ForefrontError
from forefront.client.request import Call
from forefront.client.settings import Timeout, resolve_timeout

T = TypeVar("T")

# ValueError: values that cannot be sent, such as a temperature of `nan`.
ERRORS = (ForefrontError, ValueError)
# All control characters except tab and line feed, because a model's text must not control the terminal.
_CONTROL = re.compile(r"[\x00-\x08\x0b-\x1f\x7f-\x9f]")
# Loading a model can take minutes.
_NO_TIMEOUT: Timeout = resolve_timeout(None)

Model = Annotated[
    str | None,
    typer.Option(help="Name of the model. [default: the first that the server lists]", show_default=False),
]
Temperature = Annotated[
    float | None, typer.Option(help="Randomness, from 0 (the most likely answer) to 2.", show_default=False)
]
MaxTokens = Annotated[int | None, typer.Option(min=1, help="Maximum tokens of an answer.", show_default=False)]
AsJson = Annotated[bool, typer.Option("--json", help="Print the response as JSON, on one line.")]
BaseUrl = Annotated[
    str | None,
    typer.Option(
        envvar="FOREFRONT_BASE_URL", help="URL of the server. [default: http://127.0.0.1:8000]", show_default=False
    ),
]


@contextmanager
def handle_errors() -> Iterator[None]:
    """End the command with one line and status 1 after an error, and with status 130 after Ctrl-C."""
    try:
        yield
    except ERRORS as error:
        print_error(error)
        raise typer.Exit(1) from None
    except KeyboardInterrupt:
        raise typer.Exit(130) from None


@contextmanager
def connect(base_url: str | None) -> Iterator[ForefrontClient]:
    """A client for the server of `base_url`. Raises `ForefrontError`, also for an environment that httpx rejects, such
    as a proxy with an invalid URL."""
    if not os.environ.get("FOREFRONT_API_KEY"):
        text = (
            "There is no API key: set FOREFRONT_API_KEY to the key that the server's first start printed, or to one of"
        )
        raise ForefrontError(f"{text} `forefront keys create NAME`.")
    try:
        client = ForefrontClient(base_url=base_url)
    except ForefrontError:
        raise
    except Exception as error:
        reason = f"{type(error).__name__}: {error}"
        raise ForefrontError(f"The environment's proxy or TLS settings cannot be used: {reason}") from error
    with client:
        yield client


def read_prompt(prompt: str | None) -> str:
    """The argument, or else standard input. Raises `ForefrontError` for unreadable input and for whitespace alone."""
    try:
        text = sys.stdin.read() if prompt is None else prompt
    except UnicodeDecodeError:
        raise ForefrontError("Standard input is not UTF-8 text.") from None
    except OSError as error:
        raise ForefrontError(f"Standard input cannot be read: {error.strerror}.") from None
    if not text.strip():
        raise ForefrontError("The prompt is empty.")
    return text


def default_model(client: ForefrontClient) -> str:
    """The first model that the server lists. Raises `ForefrontError` if it lists none."""
    models = client.models.list().data
    if not models:
        raise ForefrontError("The server serves no models.")
    return models[0].id


def send_admin(client: ForefrontClient, method: str, path: str, timeout: Timeout = _NO_TIMEOUT) -> bytes:
    """The body of a response to an administrator's call, which is not repeated. Raises `ForefrontError`."""
    transport: Any = client.with_options(max_retries=0)._transport
    body: bytes = transport.send(Call(method, path, None, stream=False, timeout=timeout)).body
    return body


def decode_admin(body: bytes, kind: type[T]) -> T:
    """The record in a body. Raises `ForefrontError` for the response of another kind of server."""
    try:
        return msgspec.json.decode(body, type=kind)
    except msgspec.DecodeError:
        raise ForefrontError("The answer is not that of a Forefront server of this version.") from None


def strip_controls(text: str) -> str:
    """`text` without control characters."""
    return _CONTROL.sub("", text)


def write(text: str) -> None:
    """Print a piece of an answer at once."""
    typer.echo(strip_controls(text), nl=False)


def finish(text: str, *, interrupted: bool = False, truncated: bool = False) -> None:
    """End the answer's last line, and print why the answer ended early."""
    if not text.endswith("\n"):
        typer.echo()
    if interrupted:
        typer.secho("(stopped)", dim=True, err=True)
    elif truncated:
        typer.secho("(cut off by the limit of tokens)", dim=True, err=True)


def print_error(error: Exception) -> None:
    """Print an error in one line, in red unless `NO_COLOR` is set."""
    color = None if os.environ.get("NO_COLOR") else "red"
    typer.secho("forefront: " + " ".join(strip_controls(str(error)).split()), fg=color, err=True)
