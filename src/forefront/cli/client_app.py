"""The client commands as an application of their own, which starts without importing the server."""

from collections.abc import Callable

import typer

from forefront.cli.commands.chat import chat
from forefront.cli.commands.complete import complete

COMMANDS: dict[str, Callable[..., None]] = {"chat": chat, "complete": complete}

app = typer.Typer(rich_markup_mode="markdown", pretty_exceptions_enable=False)
for name, command in COMMANDS.items():
    app.command(name)(command)
