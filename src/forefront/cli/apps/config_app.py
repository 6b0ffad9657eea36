"""`forefront config` as a separate application: it checks the settings of models, so it imports the engine's parts."""

import typer

from forefront.cli.commands.config_check import config

app = typer.Typer(rich_markup_mode="markdown", pretty_exceptions_enable=False)
app.add_typer(config, name="config")
