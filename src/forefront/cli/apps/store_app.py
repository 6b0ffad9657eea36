"""The commands that work on the store, as a separate application: they start without loading the engine."""

from collections.abc import Callable

import typer

from forefront.cli.commands.keys import keys
from forefront.cli.commands.projects import projects
from forefront.cli.commands.prune import prune
from forefront.cli.commands.transfer import export_store, import_store
from forefront.cli.commands.usage import usage

GROUPS: dict[str, typer.Typer] = {"keys": keys, "projects": projects}
COMMANDS: dict[str, Callable[..., None]] = {
    "usage": usage,
    "prune": prune,
    "export": export_store,
    "import": import_store,
}


def add_store_commands(app: typer.Typer) -> None:
    """Add the groups and the commands to an application."""
    for name, group in GROUPS.items():
        app.add_typer(group, name=name)
    for name, command in COMMANDS.items():
        app.command(name)(command)


app = typer.Typer(rich_markup_mode="markdown", pretty_exceptions_enable=False)
add_store_commands(app)
