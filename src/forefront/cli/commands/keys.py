"""`forefront keys`: create, list, show, rotate and revoke API keys."""

import re
import time
from datetime import UTC, datetime
from typing import Annotated, Any

import typer
from rich.console import Console

from forefront.cli.options.limit_options import (
    BudgetOption,
    Concurrency,
    Rpm,
    Tpm,
    format_limits,
    read_budget,
    read_limits,
)
from forefront.cli.store import command_store, fail
from forefront.cli.terminal.json_output import JsonOption, print_json
from forefront.cli.terminal.printable import printable
from forefront.cli.terminal.table import print_table
from forefront.gateway.keys.key_store import KeyStore
from forefront.wire.admin.parse import check_new_key, convert_or_raise
from forefront.wire.admin.records import IssuedKey, Key, NewKey
from forefront.wire.errors import RequestError

keys = typer.Typer(no_args_is_help=True, help="Create, list, show, rotate and revoke API keys.")

KeyId = Annotated[str, typer.Argument(metavar="ID", help="The key's id, as `forefront keys list` shows it.")]


@keys.command()
def create(
    name: Annotated[str, typer.Argument(help="Purpose of the key.")],
    project: Annotated[str, typer.Option(help="Project of the key; created if it is new.")] = "default",
    scope: Annotated[
        list[str] | None,
        typer.Option(help="Permission: `chat`, `models`, `admin` or `metrics`; repeatable. [default: chat and models]"),
    ] = None,
    model: Annotated[list[str] | None, typer.Option(help="Model of the key; repeatable. [default: all]")] = None,
    expires: Annotated[
        str | None, typer.Option(metavar="DAY|Nd|Nh", help="Expiry: `2027-01-31` (UTC), or after `30d` or `12h`.")
    ] = None,
    rpm: Rpm = None,
    tpm: Tpm = None,
    concurrency: Concurrency = None,
    budget: BudgetOption = None,
    json: JsonOption = False,
) -> None:
    """Create a key and print it, this once. Running servers accept it at once."""
    with command_store() as database:
        fields: dict[str, Any] = {"name": name, "project": project, "models": model or None}
        fields |= {"scopes": scope} if scope else {}
        new = convert_or_raise(fields, NewKey)
        new.expires = None if expires is None else _time(expires)
        new.limits = read_limits(rpm, tpm, concurrency)
        new.budget = read_budget(budget)
        check_new_key(new)
        _print_new_key(KeyStore(database).create(new), json=json)


@keys.command("list")
def list_keys(json: JsonOption = False) -> None:
    """List every key."""
    with command_store() as database:
        listed = KeyStore(database).list_keys()
    if json:
        print_json(listed)
        return
    rows = [
        (key.id, key.name, key.project, " ".join(key.scopes), format_limits(key.limits, key.budget), _state(key))
        for key in listed
    ]
    columns = ("id", "name", "project", "scopes", "limits", "state")
    print_table(columns, rows, folds=("name", "scopes", "limits"))


@keys.command()
def show(key_id: KeyId, json: JsonOption = False) -> None:
    """Show one key, without its text."""
    with command_store() as database:
        key = KeyStore(database).get(key_id)
    if key is None:
        fail(f"there is no key {key_id}")
    elif json:
        print_json(key)
    else:
        _print_key(key)


@keys.command()
def rotate(key_id: KeyId, json: JsonOption = False) -> None:
    """Replace a key's text and print the new one, this once. The old text stops working within a second.

    It stays in the list as a revoked key.
    """
    with command_store() as database:
        rotated = KeyStore(database).rotate(key_id)
    if rotated is None:
        fail(f"there is no active key {key_id}")
    else:
        _print_new_key(rotated, json=json)


@keys.command()
def revoke(key_id: KeyId) -> None:
    """Revoke a key for good, within a second. Its running responses end with the error `invalid_api_key`."""
    with command_store() as database:
        key = KeyStore(database).revoke(key_id)
    if key is None:
        fail(f"there is no key {key_id}")
    Console(highlight=False, soft_wrap=True).print(f"{key_id} has been revoked", markup=False)


def _time(text: str) -> int:
    if match := re.fullmatch(r"(\d{1,5})([dh])", text):
        return int(time.time()) + int(match[1]) * {"d": 86400, "h": 3600}[match[2]]
    try:
        return int(datetime.strptime(text, "%Y-%m-%d").replace(tzinfo=UTC).timestamp())
    except (ValueError, OverflowError):
        raise RequestError(
            "invalid_value", f"--expires {text!r} is not a day such as 2027-01-31, nor a duration such as 30d or 12h"
        ) from None


def _state(key: Key) -> str:
    if key.revoked is not None:
        return "revoked"
    if key.expires is None:
        return "live"
    day = datetime.fromtimestamp(key.expires, UTC).strftime("%Y-%m-%d %H:%M")
    return f"until {day}" if key.expires > time.time() else "expired"


def _print_new_key(key: IssuedKey, *, json: bool) -> None:
    if json:
        print_json(key)
        return
    _print_key(key)
    Console(highlight=False, soft_wrap=True).print(f"\nShown this once:\n\n  {key.key}", markup=False)


def _print_key(key: Key) -> None:
    lines = {
        "id": key.id,
        "name": key.name,
        "project": key.project,
        "scopes": " ".join(key.scopes),
        "models": "all" if key.models is None else " ".join(key.models),
        "limits": format_limits(key.limits, key.budget),
        "state": _state(key),
    }
    text = "\n".join(f"{name:<8} {printable(value)}" for name, value in lines.items())
    Console(highlight=False, soft_wrap=True).print(text, markup=False)
