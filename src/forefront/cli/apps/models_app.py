"""The commands for model files, as a separate application: they start without loading the engine."""

import typer

from forefront.cli.commands.models import models
from forefront.cli.commands.pull import pull
from forefront.cli.commands.running_models import add_running_model_commands


def add_model_commands(app: typer.Typer) -> None:
    """Add the commands to an application."""
    app.command("pull")(pull)
    add_running_model_commands(models)
    app.add_typer(models, name="models")


app = typer.Typer(rich_markup_mode="markdown", pretty_exceptions_enable=False)
add_model_commands(app)
