"""`forefront projects`: list projects, and set their weights, limits and budgets."""

from typing import Annotated

import typer
from rich.console import Console

from forefront.cli.options.limit_options import (
    BudgetUpdate,
    ConcurrencyUpdate,
    RpmUpdate,
    TpmUpdate,
    format_limits,
    update_budget,
    update_limits,
)
from forefront.cli.store import command_store
from forefront.cli.terminal.table import print_table
from forefront.gateway.keys.key_store import KeyStore
from forefront.wire.admin.parse import parse_project_name
from forefront.wire.admin.records import ProjectSettings

projects = typer.Typer(no_args_is_help=True, help="List projects, and set their weights, limits and budgets.")


@projects.command("list")
def list_projects() -> None:
    """List every project."""
    with command_store() as database:
        listed = KeyStore(database).list_projects()
    rows = [(project.name, f"{project.weight:g}", format_limits(project.limits, project.budget)) for project in listed]
    print_table(("name", "weight", "limits"), rows, folds=("limits",), right=("weight",))


@projects.command("set")
def set_project(
    name: Annotated[str, typer.Argument(help="Name of the project; created if it is new.")],
    weight: Annotated[
        float | None,
        typer.Option(
            min=0.01,
            max=100,
            help="Share of a busy engine, relative to other projects; 1 for a new project.",
            show_default=False,
        ),
    ] = None,
    rpm: RpmUpdate = None,
    tpm: TpmUpdate = None,
    concurrency: ConcurrencyUpdate = None,
    budget: BudgetUpdate = None,
) -> None:
    """Change the given settings of a project; the others stay. `none` removes a limit or the budget."""

    def update(before: ProjectSettings) -> ProjectSettings:
        return ProjectSettings(
            weight=before.weight if weight is None else weight,
            limits=update_limits(before.limits, rpm, tpm, concurrency),
            budget=update_budget(before.budget, budget),
        )

    with command_store() as database:
        project, created = KeyStore(database).update_project(parse_project_name(name), update)
    limits = format_limits(project.limits, project.budget)
    text = f"{project.name}{' (created)' if created else ''}: weight {project.weight:g}, limits: {limits}"
    Console(highlight=False, soft_wrap=True).print(text, markup=False)
