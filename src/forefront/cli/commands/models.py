"""`forefront models`: the models of this machine, those that were pulled and those that are known by name."""

import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import datetime
from typing import Annotated, Any

import typer

from forefront.catalog.model_cache import ModelCache
from forefront.catalog.pull.pulled_models import PulledModel, PulledModels
from forefront.catalog.pull.removal import folder_size, remove_model
from forefront.catalog.sources.known_models import KNOWN_MODELS, HubModel, PackageModel
from forefront.catalog.sources.source import SourceError, find_pullable, reference_text
from forefront.cli.commands.running_models import load, status, unload
from forefront.cli.settings.config import ConfigError
from forefront.cli.store import fail, find_home
from forefront.cli.terminal.json_output import JsonOption, print_json
from forefront.cli.terminal.printable import printable
from forefront.cli.terminal.progress import format_size
from forefront.cli.terminal.table import print_table

models = typer.Typer(no_args_is_help=True, help="Pulled models, and the models of a running server.")

Name = Annotated[str, typer.Argument(metavar="MODEL", help="A name or reference, as `forefront models list` shows it.")]


@models.command("list")
def list_models(json: JsonOption = False) -> None:
    """List pulled models, and known names that are not pulled yet, with their number of parameters."""
    with _errors():
        pulled = list(PulledModels(find_home()))
    names = {model.name for model in pulled}
    others = [known for known in KNOWN_MODELS.values() if known.name not in names]
    if json:
        print_json([_describe(model) for model in pulled] + [_describe_known(known) for known in others])
        return
    rows = [
        (model.name, format_size(model.size), _state(model), _age(model.used), model.licence, _origin(model))
        for model in pulled
    ]
    rows += [(known.name, known.parameters, "not pulled", "", known.licence, _known_origin(known)) for known in others]
    print_table(
        ("name", "size", "state", "last used", "licence", "source"), rows, folds=("name", "source"), right=("size",)
    )


@models.command()
def show(name: Name, json: JsonOption = False) -> None:
    """Show a pulled model: its origin, licence, files, and packed weights."""
    with _errors():
        home = find_home()
        records, cache = PulledModels(home), ModelCache(home)
        model = _find(records, name)
        packed = sum(map(folder_size, cache.packed(model.digest)))
        used = records.is_used(model)
    if json:
        print_json(_describe(model) | {"packed": packed, "in_use": used, "files": model.files})
        return
    lines = {
        "name": model.name,
        "source": _origin(model),
        "commit": model.commit,
        "licence": model.licence or "not stated",
        "state": _state(model) + (", in use by a server" if used else ""),
        "pulled": _date(model.pulled),
        "last used": _date(model.used),
        "path": str(model.path),
        "projector": model.projector,
        "size": format_size(model.size),
        "packed": format_size(packed) if packed else "not yet: the first start packs the weights",
    }
    for label, value in lines.items():
        if value:
            typer.echo(f"{label:<10} {printable(value)}")
    for file in model.files:
        shared = "  (brought by another program)" if file.shared else ""
        typer.echo(
            f"{'file':<10} {printable(file.path)}  {format_size(file.size)}  sha256:{file.sha256 or '?'}{shared}"
        )


@models.command()
def remove(
    name: Name,
    yes: Annotated[bool, typer.Option("--yes", help="Remove it even if a running server uses it.")] = False,
    json: JsonOption = False,
) -> None:
    """Remove a pulled model: its files, also those of an interrupted pull, and its packed weights.

    Files that another program had put into the hub's cache stay, and so do files that another pulled model needs.
    """
    with _errors():
        home = find_home()
        records = PulledModels(home)
        model = _find(records, name)
        if records.is_used(model) and not yes:
            _confirm(model)
        freed = remove_model(model, records, ModelCache(home))
    kept = sum(file.size for file in model.files if file.shared)
    if json:
        print_json({"reference": model.reference, "freed": freed, "kept": kept})
        return
    remark = f"; {format_size(kept)} that another program put into the hub's cache stay" if kept else ""
    typer.echo(printable(f"{model.name} has been removed: {format_size(freed)} freed{remark}"))


for command in (status, load, unload):
    models.command()(command)


@contextmanager
def _errors() -> Iterator[None]:
    """Errors end the command with status 1 and one line."""
    try:
        yield
    except (ConfigError, SourceError) as error:
        fail(str(error))
    except OSError as error:
        if error.filename is None:
            raise
        fail(f"{error.filename}: {error.strerror}")


def _find(records: PulledModels, name: str) -> PulledModel:
    """The record of a name or reference. Raises `SourceError`."""
    model = records.get(name)
    if model is None and (remote := find_pullable(name)) is not None:
        model = records.get(reference_text(remote))
    if model is None:
        named = [other for other in records if other.title == name]
        model = named[0] if len(named) == 1 else None
    if model is None:
        raise SourceError(f"{name} has not been pulled; `forefront models list` lists the pulled models")
    return model


def _confirm(model: PulledModel) -> None:
    """Ask on a terminal, and end the command elsewhere."""
    if not sys.stdin.isatty():
        fail(f"{model.name} is in use by a running server; --yes removes it nevertheless")
    typer.confirm(printable(f"{model.name} is in use by a running server. Remove it nevertheless?"), abort=True)


def _describe(model: PulledModel) -> dict[str, Any]:
    return {
        "name": model.name,
        "reference": model.reference,
        "state": _state(model),
        "size": model.size,
        "licence": model.licence,
        "commit": model.commit,
        "path": str(model.path),
        "projector": model.projector or None,
        "pulled": model.pulled,
        "last_used": model.used,
    }


def _describe_known(known: PackageModel | HubModel) -> dict[str, Any]:
    return {
        "name": known.name,
        "reference": _known_origin(known),
        "state": "not pulled",
        "licence": known.licence,
        "architecture": known.architecture,
        "parameters": known.parameters,
    }


def _state(model: PulledModel) -> str:
    if model.is_complete:
        return "pulled"
    if model.pulled:
        return "files missing"
    return f"{100 * model.received // model.size} % pulled" if model.size else "interrupted"


def _origin(model: PulledModel) -> str:
    known = KNOWN_MODELS.get(model.name)
    return model.reference if known is None else _known_origin(known)


def _known_origin(known: PackageModel | HubModel) -> str:
    return str(known.reference) if isinstance(known, HubModel) else f"PyPI: {known.package} {known.version}"


def _date(moment: int) -> str:
    return datetime.fromtimestamp(moment).astimezone().strftime("%Y-%m-%d %H:%M") if moment else "never"


def _age(moment: int) -> str:
    """The time since a moment, in its largest unit."""
    if not moment:
        return "never"
    seconds = max(int(time.time()) - moment, 0)
    for unit, length in (("day", 86400), ("hour", 3600), ("minute", 60)):
        if (count := seconds // length) > 0:
            return f"{count} {unit}{'s' * (count > 1)} ago"
    return "just now"
