"""`forefront cluster`: models on a Ray cluster. Ray is imported by the commands, not by this module."""

import os
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Final

import typer
from rich.console import Console, Group
from rich.live import Live
from rich.table import Table

from forefront.catalog.sources.source import SourceError
from forefront.chat.local.loading import DeviceError, ModelOptions
from forefront.cli.loaders.cluster_models import (
    RAY_IS_MISSING,
    find_cluster,
    model_settings,
    read_digests,
    replica_spec,
)
from forefront.cli.settings.config import Config, ConfigError, find_config, load_config
from forefront.cli.settings.model_list import ConfiguredModel, list_models
from forefront.cli.store import ConfigFile, fail, find_home
from forefront.cli.terminal.printable import printable
from forefront.cluster.deployment.errors import DeployError
from forefront.cluster.deployment.local_cluster import LocalClusterError, find_local, start_local, stop_local
from forefront.cluster.protocol.connection_security import InsecureClusterError

if TYPE_CHECKING:
    from types import ModuleType

cluster = typer.Typer(
    no_args_is_help=True, help="Models on a Ray cluster: replicas generate tokens, `forefront serve --ray` answers."
)
_REFRESH_SECONDS: Final = 1.0

Address = Annotated[
    str | None,
    typer.Option(
        "--address",
        metavar="ADDRESS|auto",
        help="The cluster. auto: that of this machine. [env: FOREFRONT_RAY_ADDRESS; default: auto]",
        show_default=False,
    ),
]


@cluster.command()
def up(
    models: Annotated[
        list[str] | None,
        typer.Argument(metavar="[NAME=]MODEL", help="As for `forefront serve`.", show_default=False),
    ] = None,
    local: Annotated[
        int | None,
        typer.Option(
            min=1,
            max=16,
            metavar="NODES",
            help="Start a cluster on this machine first, with so many nodes on loopback.",
        ),
    ] = None,
    address: Address = None,
    config: ConfigFile = None,
) -> None:
    """Deploy the models of the command line and of `forefront.toml`, or take over their changed settings.

    A changed model runs beside the old one until it is ready. Then each old replica ends after its last answer.
    """
    console = Console(stderr=True, highlight=False, soft_wrap=True)
    with _errors():
        home, settings = find_home(), _load(config)
        chosen = _choose(models, settings)
        if local is not None:
            _start_local(console, home, local)
        with _connected(address or settings.ray.address, home) as deploy:
            for model in chosen:
                _deploy(console, deploy, model, settings, home)
        console.print("The models are ready: `forefront serve --ray auto` answers requests.")


@cluster.command()
def status(
    watch: Annotated[bool, typer.Option("--watch", "-w", help="Show it until Ctrl-C, once a second.")] = False,
    address: Address = None,
    config: ConfigFile = None,
) -> None:
    """Show nodes, models and replicas."""
    console = Console(highlight=False)
    with _errors():
        home = find_home()
        with _connected(address or _load(config).ray.address, home) as deploy:
            if not watch:
                console.print(_tables(deploy, home))
                return
            with Live(_tables(deploy, home), console=console, auto_refresh=False) as live:
                while True:
                    time.sleep(_REFRESH_SECONDS)
                    live.update(_tables(deploy, home), refresh=True)


@cluster.command()
def scale(
    model: Annotated[str, typer.Argument(help="The model's name.")],
    replicas: Annotated[str, typer.Argument(metavar="N|MIN:MAX", help="Replicas, or the fewest and the most.")],
    address: Address = None,
    config: ConfigFile = None,
) -> None:
    """Change the number of a model's replicas until the next `forefront cluster up`."""
    console = Console(stderr=True, highlight=False, soft_wrap=True)
    minimum, maximum = _range(replicas)
    with _errors(), _connected(address or _load(config).ray.address, find_home()) as deploy:
        deploy.scale(model, minimum, maximum, lambda text: console.print(f"{model}: {text}", markup=False))


@cluster.command()
def drain(
    node: Annotated[str, typer.Argument(help="The beginning of the node's id.")],
    address: Address = None,
    config: ConfigFile = None,
) -> None:
    """Move the replicas away from a node, before it is removed."""
    console = Console(stderr=True, highlight=False, soft_wrap=True)
    with _errors(), _connected(address or _load(config).ray.address, find_home()) as deploy:
        deploy.drain_node(node, lambda text: console.print(text, markup=False))


@cluster.command()
def down(
    models: Annotated[
        list[str] | None, typer.Argument(metavar="MODEL", help="Names in requests. [default: all]", show_default=False)
    ] = None,
    address: Address = None,
    config: ConfigFile = None,
) -> None:
    """Remove models from the cluster. Each replica finishes its answers first. Without models, all of them; a cluster
    that `up --local` has started ends too."""
    console = Console(stderr=True, highlight=False, soft_wrap=True)
    with _errors():
        home = find_home()
        wanted = address or _load(config).ray.address
        local = find_local(home)
        # A local cluster without its head may still have nodes to end.
        if not models and wanted in (None, "auto", "" if local is None else local.address) and stop_local(home):
            console.print("The local cluster has ended.")
            return
        with _connected(wanted, home) as deploy:
            names = models or sorted({deploy.model_of(each.name) for each in deploy.applications()})
            for name in names:
                if not deploy.remove(name):
                    fail(f"{name} is not on the cluster")
                console.print(f"{name} is removed once its answers have ended", markup=False)


def _deploy(console: Console, deploy: "ModuleType", model: ConfiguredModel, settings: Config, home: Path) -> None:
    assert model.source is not None
    digests = read_digests(model, home)
    ray_settings = model_settings(settings.ray, model.name)
    minimum, maximum = ray_settings.replicas.bounds
    application = deploy.Scale(
        min=minimum,
        max=maximum,
        cpus=ray_settings.cpus,
        gpus=ray_settings.gpus,
        target_load=ray_settings.wanted_load,
        shrink_seconds=ray_settings.shrink_seconds,
        idle_seconds=ray_settings.idle_seconds,
    )
    began = time.monotonic()
    with console.status(f"{model.name} …") as shown:

        def report(text: str) -> None:
            if console.is_terminal:
                shown.update(f"{model.name}: {printable(text)}")
            else:
                console.print(f"{model.name}: {printable(text)}", markup=False)

        deploy.deploy(replica_spec(model, settings.ray, digests, settings.tracing.endpoint), application, report)
    console.print(f"{model.name} is ready: {time.monotonic() - began:.1f} s", markup=False)


def _start_local(console: Console, home: Path, nodes: int) -> None:
    if find_local(home) is not None:
        console.print("The local cluster runs already.")
        return
    # More than the machine has, so that a new version has room beside the old one.
    cpus = max(2.0 * (os.cpu_count() or 1) / nodes, 2.0)
    for step in start_local(home, [cpus] * nodes):
        console.print(step, markup=False)


def _choose(models: list[str] | None, settings: Config) -> list[ConfiguredModel]:
    found = list_models(models or [], settings.models, ModelOptions())
    return [model for model in found if model.source is not None]


def _tables(deploy: "ModuleType", home: Path) -> Group:
    local = find_local(home)
    nodes = Table("node", "address", "state", "CPUs in use", title="Nodes", title_justify="left")
    for node in deploy.node_statuses():
        state = "dead" if not node.alive else "head" if node.head else "alive"
        used = f"{node.cpus - node.free_cpus:g} of {node.cpus:g}" if node.alive else ""
        nodes.add_row(node.id[:12], node.address, state, used)
    models = Table("model", "version", "state", "replicas", title="Models", title_justify="left")
    for each in deploy.applications():
        replicas = ", ".join(f"{count} {name.lower()}" for name, count in each.replicas.items())
        models.add_row(deploy.model_of(each.name), each.name[-8:], each.status.lower(), replicas or "none")
    if local is None:
        return Group(nodes, models)
    processes = Table("process", "", title="Local cluster", title_justify="left")
    for number, process in enumerate(local.processes):
        processes.add_row(str(process), "head" if number == 0 else f"node {number}")
    return Group(nodes, models, processes)


def _range(text: str) -> tuple[int, int]:
    minimum, colon, maximum = text.partition(":")
    try:
        bounds = int(minimum), int(maximum if colon else minimum)
    except ValueError:
        bounds = (-1, -1)
    if not 0 <= bounds[0] <= bounds[1] or bounds[1] < 1:
        fail(f"{text} is not a number of replicas such as 3, nor a range such as 0:8")
    return bounds


def _load(config: Path | None) -> Config:
    return load_config(find_config(config, find_home()))


@contextmanager
def _connected(address: str | None, home: Path) -> Iterator["ModuleType"]:
    """The functions of `cluster/deployment/deploy.py`, connected to the cluster.

    Ray reads its environment when it is imported.
    """
    found, environment = find_cluster(address or "auto", home)
    os.environ.update(environment)
    try:
        from forefront.cluster.deployment import deploy, ray_session
    except ImportError as error:
        if (error.name or "").partition(".")[0] != "ray":
            raise
        fail(RAY_IS_MISSING)
    ray_session.connect(found)
    yield deploy


@contextmanager
def _errors() -> Iterator[None]:
    """End the command with one line for an error."""
    try:
        yield
    except (ConfigError, DeployError, DeviceError, SourceError, LocalClusterError, InsecureClusterError) as error:
        fail(str(error))
    except ConnectionError as error:
        fail(f"the cluster cannot be reached: {str(error).strip().splitlines()[0]}")
    except KeyboardInterrupt:
        raise typer.Exit(130) from None
