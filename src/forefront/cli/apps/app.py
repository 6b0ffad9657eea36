"""The `forefront` command line."""

from importlib.metadata import version
from typing import Annotated

import typer
from rich.console import Console

from forefront.cli.apps.client_app import COMMANDS
from forefront.cli.apps.models_app import add_model_commands
from forefront.cli.apps.store_app import add_store_commands
from forefront.cli.commands.cluster import cluster
from forefront.cli.commands.config_check import config
from forefront.cli.commands.serve import serve
from forefront.cli.commands.tune import tune

app = typer.Typer(
    no_args_is_help=True,
    rich_markup_mode="markdown",
    pretty_exceptions_enable=False,
    help="Serve open models to your own applications, and talk to them.",
    epilog="Start with `forefront serve`; then, in another terminal, `forefront chat`.",
)
app.command()(serve)
app.command()(tune)
for name, command in COMMANDS.items():
    app.command(name)(command)
add_model_commands(app)
app.add_typer(config, name="config")
add_store_commands(app)
app.add_typer(cluster, name="cluster")


def _show_version(wanted: bool) -> None:
    if wanted:
        Console().print(f"forefront {version('forefront')}", highlight=False)
        raise typer.Exit


@app.callback()
def options(
    _version: Annotated[
        bool, typer.Option("--version", callback=_show_version, is_eager=True, help="Show the version and exit.")
    ] = False,
) -> None:
    """Options that come before the command."""
