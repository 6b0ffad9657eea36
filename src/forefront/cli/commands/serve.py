"""`forefront serve`: loads models and serves them over HTTP."""

import errno
import logging
import os
import socket
from collections.abc import Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager, nullcontext
from dataclasses import dataclass, replace
from functools import partial
from importlib.metadata import version
from pathlib import Path
from typing import TYPE_CHECKING, NoReturn

import typer
from rich.console import Console
from rich.markup import escape
from rich.text import Text

from forefront.catalog.catalog import Catalog
from forefront.catalog.sources.source import SourceError
from forefront.catalog.sources.template_override import read_chat_template
from forefront.chat.local.loading import DeviceError, ModelOptions, find_device
from forefront.cli.loaders.model_loaders import make_catalog
from forefront.cli.options.serve_options import (
    DeviceOption,
    Draft,
    EngineOption,
    ExactActivations,
    Grace,
    Host,
    KvCacheSetting,
    ModelArguments,
    Port,
    Precision,
    Quantize,
    RayOption,
    Speculation,
    TemplateOption,
    Threads,
)
from forefront.cli.serving.first_request import first_request
from forefront.cli.serving.logs import set_up_logging
from forefront.cli.serving.reload import Reloader, SettingsSource
from forefront.cli.serving.server_runtime import run_server
from forefront.cli.serving.startup_warnings import find_warnings
from forefront.cli.serving.tracing import check_tracing
from forefront.cli.settings.config import Config, ConfigError, ServerSettings, find_config, load_config
from forefront.cli.settings.environment import unknown_variables
from forefront.cli.settings.model_list import ConfiguredModel
from forefront.cli.settings.sections import MetricsSettings
from forefront.cli.store import ConfigFile, find_home, open_store
from forefront.cli.terminal.printable import printable
from forefront.cli.terminal.progress import StartupProgress
from forefront.gateway.gateway import Gateway
from forefront.gateway.keys.api_key import InvalidApiKeyError
from forefront.gateway.keys.key_store import KeyStore
from forefront.gateway.store.database import StoreError
from forefront.server.serve import bind

if TYPE_CHECKING:
    from forefront.cli.loaders.cluster_models import ClusterModels

log = logging.getLogger(__name__)

# Bind errors that concern the port. All others concern the host.
_PORT_ERRORS = (errno.EADDRINUSE, errno.EACCES)
_ENGINE_OPTIONS = [
    "threads",
    "kv_cache",
    "precision",
    "quantize",
    "exact_activations",
    "speculation",
    "draft",
    "device",
]


class StartupError(Exception):
    """The server cannot start, for a reason other than models, keys and the store."""


@dataclass(frozen=True, slots=True)
class ServeOptions:
    """The settings of the file, the environment and the command line, and their source."""

    settings: Config
    source: SettingsSource
    environment_key: str | None


def serve(
    context: typer.Context,
    models: ModelArguments = None,
    host: Host = None,
    port: Port = None,
    threads: Threads = 0,
    kv_cache: KvCacheSetting = 2.0,
    precision: Precision = "f32",
    quantize: Quantize = "",
    chat_template: TemplateOption = None,
    exact_activations: ExactActivations = False,
    speculation: Speculation = None,
    draft: Draft = "",
    device: DeviceOption = "CPU",
    engine: EngineOption = "auto",
    grace: Grace = None,
    ray: RayOption = None,
    config: ConfigFile = None,
) -> None:
    """Serve models over HTTP: `POST /v1/chat/completions`, as in the OpenAI API.

    The first start creates an API key and shows it once; set `FOREFRONT_API_KEY` to use your own key. Packed
    weights and the hashes of keys are kept under `FOREFRONT_HOME` (default `~/.forefront`).
    """
    console = Console(stderr=True, highlight=False, soft_wrap=True)
    with _errors_shown(console):
        _check_speculation(speculation, engine)
        model_options = ModelOptions(
            threads=threads,
            kv_cache_bytes=int(kv_cache * 2**30),
            inference_precision=precision,
            quantize_activations=not exact_activations,
            quantize_weights=quantize,
            device=find_device(device),
            speculation=speculation or "ngram",
            draft=draft,
        )
        read = partial(_settings, config, ray, host=host, port=port, grace_seconds=grace)
        settings = read()
        if settings.ray.address is not None:
            _check_replica_options(context)
        key = os.environ.get("FOREFRONT_API_KEY")
        _set_up_logging(settings, key)
        check_tracing(settings.tracing.endpoint)
        template = None if chat_template is None else read_chat_template(chat_template)
        source = SettingsSource(read, models or [], model_options, template, find_home(), engine)
        _serve(ServeOptions(settings, source, key), console)


@contextmanager
def _errors_shown(console: Console) -> Iterator[None]:
    """Exits with a message for errors that the operator can fix."""
    try:
        yield
    except (ConfigError, DeviceError, SourceError, InvalidApiKeyError, StoreError, StartupError) as error:
        _exit(console, str(error))
    except OSError as error:
        if error.filename is None:
            raise
        _exit(console, f"{error.filename}: {error.strerror}")
    except KeyboardInterrupt:  # while models are loaded
        raise typer.Exit(130) from None


def _exit(console: Console, reason: str) -> NoReturn:
    console.print(Text.assemble(("forefront:", "bold red"), f" {printable(reason)}"))
    raise typer.Exit(1)


def _check_speculation(speculation: str | None, engine: str) -> None:
    """Raises `ConfigError` for an engine without this option."""
    if speculation is not None and engine == "llama.cpp":
        raise ConfigError(f"--speculation cannot be combined with the engine {engine}")


def _check_replica_options(context: typer.Context) -> None:
    """Raises `ConfigError` for an option of the engine, which runs on replicas."""
    for name in _ENGINE_OPTIONS:
        source = context.get_parameter_source(name)
        if source is not None and source.name == "COMMANDLINE":
            option = "--" + name.replace("_", "-")
            text = "is an option of the engine, which replicas run on a cluster: set it in the model's table of"
            raise ConfigError(f"{option} {text} forefront.toml, and run `forefront cluster up`")


def _settings(config: Path | None, ray: str | None, **options: str | float | None) -> Config:
    """The settings, overridden by the address of Ray and the `options` of `[server]`. Raises `ConfigError`."""
    settings = load_config(find_config(config, find_home()))
    for name, value in options.items():
        if value is not None:
            setattr(settings.server, name, value)
    settings.ray.address = ray or settings.ray.address
    return settings


def _set_up_logging(settings: Config, key: str | None) -> None:
    form, level, prompts = settings.log.format, settings.log.level, settings.log.prompts
    set_up_logging(form, level, prompts=prompts, secrets=(key,) if key else ())
    for warning in unknown_variables(os.environ):
        log.warning("%s", warning)


def _serve(options: ServeOptions, console: Console) -> None:
    source = options.source
    models = source.list_models(options.settings)
    names, settings = [model.name for model in models], options.settings.server
    with (
        _open_cluster(options.settings, models, source.home) as cluster,
        _bind(settings.host, settings.port) as bound,
        _bind_metrics(options.settings.metrics) as metrics,
        open_store(source.home, options.settings.store.url) as database,
    ):
        keys = KeyStore(database)
        new_key = keys.ensure_admin_key(options.environment_key)
        for warning in find_warnings(keys, options.settings.prices, names):
            log.warning("%s", warning)
        catalog = make_catalog(models, source.home, options.settings.loading, StartupProgress(console), cluster)
        source = replace(source, cluster=cluster)
        url = _url(settings, bound.getsockname()[1])

        def started() -> None:
            title = f"[bold]Forefront {version('forefront')}[/]"
            with console:  # one write, so that a program that waits for the address reads the key with it
                console.print(f"{title} serves {escape(', '.join(names))} on [bold]{url}[/] (Ctrl-C stops it)")
                if console.is_terminal:
                    console.print(f"Playground: [bold]{url}/[/], dashboard: [bold]{url}/dashboard[/]")
                if new_key is not None:
                    _print_first_key(console, new_key, first_request(catalog.get(names[0]), url, new_key))

        def make_reloader(catalog: Catalog, gateway: Gateway) -> Reloader:
            return Reloader(source, options.settings, models, catalog, gateway)

        on_cluster = cluster is not None
        run_server(catalog, database, options.settings, bound, started, make_reloader, metrics, on_cluster=on_cluster)
    if catalog.is_loading:
        # A load cannot be interrupted, and its thread would crash during the finalisation of the interpreter.
        console.file.flush()
        os._exit(0)


def _open_cluster(
    settings: Config, models: Sequence[ConfiguredModel], home: Path
) -> AbstractContextManager["ClusterModels | None"]:
    """The cluster of `[ray]`, or None without an address. Raises `ConfigError` without Ray."""
    if settings.ray.address is None:
        return nullcontext()
    # Imported here to shorten the start of servers without a cluster.
    from forefront.cli.loaders.cluster_models import open_cluster

    return open_cluster(settings.ray, models, home)


def _bind(host: str, port: int) -> socket.socket:
    """The server's socket. Raises `StartupError`."""
    try:
        return bind(host, port)
    except (OSError, ValueError) as error:  # ValueError: a host name that cannot be encoded
        option = "--port" if isinstance(error, OSError) and error.errno in _PORT_ERRORS else "--host"
        reason = error.strerror if isinstance(error, OSError) else "it is not a host name"
        raise StartupError(f"cannot listen on {host}, port {port}: {reason}; choose another with {option}") from None


@contextmanager
def _bind_metrics(settings: MetricsSettings) -> Iterator[socket.socket | None]:
    """The socket of the metrics, or None without a port for them. Raises `StartupError`."""
    if settings.port is None:
        yield None
        return
    try:
        bound = bind(settings.host, settings.port)
    except (OSError, ValueError) as error:
        reason = error.strerror if isinstance(error, OSError) else "it is not a host name"
        where = f"`metrics.host` {settings.host}, `metrics.port` {settings.port}"
        raise StartupError(f"cannot listen on {where}: {reason}") from None
    with bound:
        log.info("metrics on http://%s:%d/metrics, without a key", settings.host, bound.getsockname()[1])
        yield bound


def _url(settings: ServerSettings, port: int) -> str:
    host = settings.host
    shown = {"0.0.0.0": "127.0.0.1", "::": "[::1]"}.get(host, f"[{host}]" if ":" in host else host)  # noqa: S104
    return f"{'http' if settings.tls_certificate is None else 'https'}://{shown}:{port}"


def _print_first_key(console: Console, key: str, command: str) -> None:
    """Print the new key, this once, and a command that uses it."""
    console.print(
        f"""
Your API key, shown this once (only its hash is kept; `forefront keys create` makes others):

  export FOREFRONT_API_KEY={key}

Try it:

  {command}
""",
        markup=False,
    )
