"""`forefront models status`, `load` and `unload`: the models of a running server, with an admin key."""

from typing import Annotated
from urllib.parse import quote

import typer

from forefront.cli.options.client_options import (
    AsJson,
    BaseUrl,
    connect,
    decode_admin,
    handle_errors,
    send_admin,
    strip_controls,
)
from forefront.cli.terminal.table import print_table
from forefront.wire.admin.records import ModelStatus, ServerStatus

Name = Annotated[str, typer.Argument(metavar="MODEL", help="The name in requests, as `forefront models status` shows.")]


def status(base_url: BaseUrl = None, as_json: AsJson = False) -> None:
    """Show the models of a running server: state, memory, requests. Needs an admin key in FOREFRONT_API_KEY."""
    with handle_errors(), connect(base_url) as client:
        body = send_admin(client, "GET", "/admin/status")
        if as_json:
            typer.echo(body)
            return
        server = decode_admin(body, ServerStatus)
    rows = [
        (name, model.state, _mebibytes(model.size), str(model.requests), str(model.waiting_for_load), _remark(model))
        for name, model in server.models.items()
    ]
    numbers = ("MiB", "requests", "waiting")
    print_table(("name", "state", *numbers, ""), rows, folds=("name", ""), right=numbers)
    limit = "" if server.memory_limit is None else f" of {_mebibytes(server.memory_limit)}"
    typer.echo(f"{_mebibytes(server.memory)}{limit} MiB are taken by models")


def load(model: Name, base_url: BaseUrl = None, as_json: AsJson = False) -> None:
    """Load a model of a running server, and wait for it. Needs an admin key in FOREFRONT_API_KEY."""
    _change(model, "load", base_url, as_json)


def unload(model: Name, base_url: BaseUrl = None, as_json: AsJson = False) -> None:
    """Unload a model of a running server, once its requests have ended. Needs an admin key in FOREFRONT_API_KEY."""
    _change(model, "unload", base_url, as_json)


def _change(model: str, action: str, base_url: str | None, as_json: bool) -> None:
    with handle_errors(), connect(base_url) as client:
        body = send_admin(client, "POST", f"/admin/models/{quote(model, safe='')}/{action}")
        shown = decode_admin(body, ModelStatus)
    typer.echo(body if as_json else f"{strip_controls(model)} is {shown.state}, {_mebibytes(shown.size)} MiB")


def _remark(model: ModelStatus) -> str:
    if model.load_percent is not None:
        return f"{model.load_percent} %"
    return strip_controls(model.failure or "")


def _mebibytes(size: int) -> str:
    return f"{size / 2**20:.0f}"
