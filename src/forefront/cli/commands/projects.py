"""`forefront projects`: the tenants, their limits, budgets and shares of the engine."""

from typing import Annotated

import typer
from rich.console import Console

from forefront.cli.limit_options import (
    BudgetChange,
    ConcurrencyChange,
    RpmChange,
    TpmChange,
    change_budget,
    change_limits,
    show_bounds,
)
from forefront.cli.store import command_store
from forefront.cli.table import print_table
from forefront.gateway.keys.key_store import KeyStore
from forefront.wire.admin import ProjectSettings
from forefront.wire.parse_admin import parse_project_name

projects = typer.Typer(no_args_is_help=True, help="List projects, and set what all keys of one share.")


@projects.command("list")
def list_projects() -> None:
    """List every project."""
    with command_store() as database:
        found = KeyStore(database).list_projects()
    rows = [(one.name, f"{one.weight:g}", show_bounds(one.limits, one.budget)) for one in found]
    print_table(("name", "weight", "limits"), rows, folds=("limits",), right=("weight",))


@projects.command("set")
def set_project(
    name: Annotated[str, typer.Argument(help="The project; made if it is new.")],
    weight: Annotated[
        float | None,
        typer.Option(
            min=0.01,
            max=100,
            help="Its share of a busy engine beside other projects'; 1 for a new one.",
            show_default=False,
        ),
    ] = None,
    rpm: RpmChange = None,
    tpm: TpmChange = None,
    concurrency: ConcurrencyChange = None,
    budget: BudgetChange = None,
) -> None:
    """Change those of a project's settings that are given; the others stay. `none` takes a limit or the budget away."""

    def change(before: ProjectSettings) -> ProjectSettings:
        return ProjectSettings(
            weight=before.weight if weight is None else weight,
            limits=change_limits(before.limits, rpm, tpm, concurrency),
            budget=change_budget(before.budget, budget),
        )

    with command_store() as database:
        project, made = KeyStore(database).change_project(parse_project_name(name), change)
    bounds = show_bounds(project.limits, project.budget)
    text = f"{project.name}{' (made)' if made else ''}: weight {project.weight:g}, limits: {bounds}"
    Console(highlight=False, soft_wrap=True).print(text, markup=False)
