"""`forefront serve` as a separate application: it starts without what the other commands import."""

import typer

from forefront.cli.commands.serve import serve

app = typer.Typer(rich_markup_mode="markdown", pretty_exceptions_enable=False)
app.command()(serve)


@app.callback()
def group() -> None:
    """Makes `serve` a command: Typer turns an application with one command into that command."""
