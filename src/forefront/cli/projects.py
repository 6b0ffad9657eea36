"""`forefront projects`: the tenants, their limits, budgets and shares of the engine."""

from typing import Annotated

import typer
from rich.console import Console

from forefront.cli.bounds import BudgetTexts, Concurrency, Rpm, Tpm, read_budget, read_limits, show_bounds
from forefront.cli.store import command_store
from forefront.cli.table import print_table
from forefront.gateway.keys import KeyStore
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
        float, typer.Option(min=0.01, max=100, help="Its share of a busy engine beside other projects'.")
    ] = 1.0,
    rpm: Rpm = None,
    tpm: Tpm = None,
    concurrency: Concurrency = None,
    budget: BudgetTexts = None,
) -> None:
    """Set all of a project's settings; what is left out is no limit."""
    with command_store() as database:
        settings = ProjectSettings(weight=weight, limits=read_limits(rpm, tpm, concurrency), budget=read_budget(budget))
        project = KeyStore(database).set_project(parse_project_name(name), settings)
    text = f"{project.name}: weight {project.weight:g}, limits: {show_bounds(project.limits, project.budget)}"
    Console(highlight=False, soft_wrap=True).print(text, markup=False)
