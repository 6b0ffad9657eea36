"""A group of commands, each of which is imported when it runs: the parts of the server take seconds to load."""

from collections.abc import Mapping
from dataclasses import dataclass
from pkgutil import resolve_name
from typing import Any, ClassVar

import typer
from typer.core import TyperCommand, TyperGroup

from forefront.cli import fail_missing_package


@dataclass(frozen=True, slots=True)
class LazyCommand:
    """A command that is not imported yet: a function, or a `typer.Typer` with subcommands."""

    place: str  # MODULE:NAME
    summary: str  # the first paragraph of the command's help

    def load(self, name: str) -> Any:
        """The command. Raises `SystemExit` if packages of the server are missing."""
        try:
            found = resolve_name(self.place)
        except ModuleNotFoundError as missing:
            fail_missing_package(missing)
        holder = typer.Typer(callback=_no_options, rich_markup_mode="markdown", pretty_exceptions_enable=False)
        if isinstance(found, typer.Typer):
            holder.add_typer(found, name=name)
        else:
            holder.command(name)(found)
        return typer.main.get_group(holder).commands[name]


class LazyGroup(TyperGroup):
    """Lists the commands of the table `lazy`, and loads the one that the arguments name."""

    lazy: ClassVar[Mapping[str, LazyCommand]]

    def __init__(self, **options: Any) -> None:
        lines = {name: TyperCommand(name, help=command.summary) for name, command in self.lazy.items()}
        super().__init__(**options | {"commands": lines})

    def resolve_command(self, ctx: Any, args: list[str]) -> tuple[str | None, Any, list[str]]:
        """The command itself, in place of its line in the list."""
        name, line, rest = super().resolve_command(ctx, args)
        return name, line if name is None else self.lazy[name].load(name), rest


def _no_options() -> None:
    """Makes an application with one command a group."""
