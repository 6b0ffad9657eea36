"""The client commands as a separate application, which starts without importing the server."""

from collections.abc import Callable

import typer

from forefront.cli.commands.chat import chat
from forefront.cli.commands.complete import complete
from forefront.cli.commands.top import top

COMMANDS: dict[str, Callable[..., None]] = {"chat": chat, "complete": complete, "top": top}

app = typer.Typer(rich_markup_mode="markdown", pretty_exceptions_enable=False)
for name, command in COMMANDS.items():
    app.command(name)(command)
