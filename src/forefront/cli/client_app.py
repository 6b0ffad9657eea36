"""The commands that ask a server, as an application of their own: they start without loading what serves."""

from collections.abc import Callable

import typer

from forefront.cli.commands.chat import chat
from forefront.cli.commands.complete import complete

COMMANDS: dict[str, Callable[..., None]] = {"chat": chat, "complete": complete}

app = typer.Typer(rich_markup_mode="markdown", pretty_exceptions_enable=False)
for name, command in COMMANDS.items():
    app.command(name)(command)
