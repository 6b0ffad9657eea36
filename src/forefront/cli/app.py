"""The `forefront` command line: its commands, and the options before them."""

from importlib.metadata import version
from typing import Annotated, ClassVar, Final

import typer

from forefront.cli.lazy_group import LazyCommand, LazyGroup

# In the order of `forefront --help`. A test compares each summary with the command's own help.
_COMMANDS: Final = {
    "serve": ("serve:serve", "Serve models over HTTP: `POST /v1/chat/completions`, as in the OpenAI API."),
    "tune": ("tune:tune", "Find the fastest options for a model on this machine; takes about a minute."),
    "chat": ("chat:chat", "Talk to a model. Needs a running server and its key in `FOREFRONT_API_KEY`."),
    "complete": (
        "complete:complete",
        "Continue a text, without a conversation. Needs a running server and its key in `FOREFRONT_API_KEY`.",
    ),
    "top": (
        "top:top",
        "Watch a running server: requests, tokens per second, latencies, queue, models, errors. Needs an admin "
        "key in FOREFRONT_API_KEY; the first key of a server is one.",
    ),
    "pull": ("pull:pull", "Pull models from the Hugging Face hub, a known name or a URL, for `forefront serve`."),
    "usage": ("usage:usage", "Show usage from the ledger: requests, tokens and cost."),
    "prune": (
        "prune:prune",
        "Delete the completions before a day from the ledger, the responses stored before it, and the "
        "conversations without a change since it, for good.",
    ),
    "export": (
        "transfer:export_store",
        "Write keys (as hashes), projects and the ledger to FILE, readable by its owner alone.",
    ),
    "import": (
        "transfer:import_store",
        "Import FILE into a store without keys. An incomplete file is refused, and nothing of it is kept.",
    ),
    "models": ("models:models", "Pulled models, and the models of a running server."),
    "config": ("config_check:config", "Check forefront.toml."),
    "keys": ("keys:keys", "Create, list, show, rotate and revoke API keys."),
    "projects": ("projects:projects", "List projects, and set their weights, limits and budgets."),
    "cluster": (
        "cluster:cluster",
        "Models on a Ray cluster: replicas generate tokens, `forefront serve --ray` answers.",
    ),
}


class Commands(LazyGroup):
    """All commands."""

    lazy: ClassVar = {
        name: LazyCommand(f"forefront.cli.commands.{place}", summary) for name, (place, summary) in _COMMANDS.items()
    }


app = typer.Typer(
    cls=Commands,
    no_args_is_help=True,
    rich_markup_mode="markdown",
    pretty_exceptions_enable=False,
    help="Serve open models to your own applications, and talk to them.",
    epilog="Start with `forefront serve`; then, in another terminal, `forefront chat`.",
)


def _show_version(wanted: bool) -> None:
    if wanted:
        typer.echo(f"forefront {version('forefront')}")
        raise typer.Exit


@app.callback()
def options(
    _version: Annotated[
        bool, typer.Option("--version", callback=_show_version, is_eager=True, help="Show the version and exit.")
    ] = False,
) -> None:
    """Options that come before the command."""
