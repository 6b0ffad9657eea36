"""`forefront serve`: models in, a server on a port."""

import errno
import logging
import os
from dataclasses import dataclass
from importlib.metadata import version
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console
from rich.text import Text

from forefront.catalog.catalog import Catalog
from forefront.catalog.chat_template import read_chat_template, template_names
from forefront.catalog.download import fetch
from forefront.catalog.known_models import KNOWN_MODELS
from forefront.catalog.loading import load
from forefront.catalog.source import ModelSource, SourceError, built_in, parse_source
from forefront.catalog.store import Store, default_home
from forefront.chat.local.loading import DeviceError, ModelOptions, find_device
from forefront.cli.config import Config, ConfigError, ServerSettings, find_config, load_config
from forefront.cli.environment import unknown_variables
from forefront.cli.logs import set_up_logging
from forefront.cli.progress import Steps
from forefront.cli.server_runtime import run_server
from forefront.cli.startup_warnings import doubts
from forefront.cli.store import ConfigFile, open_store
from forefront.gateway.keys.api_key import UnfitKeyError
from forefront.gateway.keys.key_store import KeyStore
from forefront.gateway.store.database import StoreError
from forefront.server.serve import bind

log = logging.getLogger(__name__)


def serve(
    models: Annotated[
        list[str] | None,
        typer.Argument(
            metavar="[NAME=]PATH",
            help="GGUF files, or directories with safetensors (Hugging Face) or OpenVINO IR, to serve; `NAME=` sets "
            "the name that requests use. "
            f"Known models by name ({', '.join(KNOWN_MODELS)}) are downloaded once. Without any, the built-in model is "
            "served.",
            show_default=False,
        ),
    ] = None,
    host: Annotated[
        str | None, typer.Option(help="Address to listen on; 0.0.0.0 for all. [env: HOST; default: 127.0.0.1]")
    ] = None,
    port: Annotated[
        int | None,
        typer.Option(min=0, max=65535, help="Port to listen on; 0 for a free one. [env: PORT; default: 8000]"),
    ] = None,
    threads: Annotated[int, typer.Option(min=0, help="CPU threads for each model; 0 for all cores.")] = 0,
    kv_cache: Annotated[
        float, typer.Option(min=0.01, max=4096, metavar="GIB", help="Memory for each model's KV cache at most, in GiB.")
    ] = 2.0,
    precision: Annotated[
        str,
        typer.Option(
            metavar="f32|bf16",
            help="Precision of computation. bf16 reads prompts faster on CPUs that have it, and is less exact.",
        ),
    ] = "f32",
    quantize: Annotated[
        str,
        typer.Option(
            metavar="int8|int4",
            help="Quantise the matrices that a model's files have as 16- or 32-bit numbers: int8 takes half the memory "
            "of 16 bits and is nearly exact; int4 takes a quarter and loses more.",
            show_default=False,
        ),
    ] = "",
    chat_template: Annotated[
        str | None,
        typer.Option(
            metavar="FILE|NAME",
            help=f"Chat template (Jinja) in place of the models' own: a file, or one of {', '.join(template_names())}.",
        ),
    ] = None,
    exact_activations: Annotated[
        bool,
        typer.Option(
            "--exact-activations",
            help="Compute with the weights exactly as they are stored, without rounding activations to 8 bits: batches "
            "run 2 to 5 times slower.",
        ),
    ] = False,
    device: Annotated[
        str,
        typer.Option(
            metavar="CPU|GPU|AUTO", help="Where models run; GPU.1 is a second GPU. AUTO: a GPU if there is one."
        ),
    ] = "CPU",
    grace: Annotated[
        float | None,
        typer.Option(
            min=0, metavar="SECONDS", help="How long running requests may go on after Ctrl-C or SIGTERM. [default: 30]"
        ),
    ] = None,
    config: ConfigFile = None,
) -> None:
    """Serve models over HTTP: `POST /v1/chat/completions`, as the OpenAI API has it.

    On the first start an API key is made and shown once; set `FOREFRONT_API_KEY` to use one of your own. Converted
    models and the keys' hashes are kept under `FOREFRONT_HOME` (default `~/.forefront`).
    """
    console = Console(stderr=True, highlight=False, soft_wrap=True)
    if precision not in ("f32", "bf16"):
        raise typer.BadParameter("it is f32 or bf16", param_hint="--precision")
    if quantize not in ("", "int8", "int4"):
        raise typer.BadParameter("it is int8 or int4", param_hint="--quantize")
    try:
        options = ModelOptions(
            threads=threads,
            kv_cache_bytes=int(kv_cache * 2**30),
            inference_precision=precision,
            quantize_activations=not exact_activations,
            quantize_weights=quantize,
            device=find_device(device),
        )
        settings = load_config(find_config(config, default_home()))
        given = {"host": host, "port": port, "grace_seconds": grace}
        for name, value in given.items():
            if value is not None:
                setattr(settings.server, name, value)
        adopted = os.environ.get("FOREFRONT_API_KEY")
        form, level, prompts = settings.log.format, settings.log.level, settings.log.prompts
        set_up_logging(form, level, prompts=prompts, secrets=(adopted,) if adopted else ())
        for line in unknown_variables(os.environ):
            log.warning("%s", line)
        template = None if chat_template is None else read_chat_template(chat_template)
        _serve(Start(models or [], options, settings, default_home(), adopted, template), console)
    except (ConfigError, DeviceError, SourceError, UnfitKeyError, StoreError, StartError) as error:
        console.print(Text.assemble(("forefront:", "bold red"), f" {error}"))
        raise typer.Exit(1) from None
    except KeyboardInterrupt:  # while still loading
        raise typer.Exit(130) from None


# Everything else that is wrong with an address is wrong with the host.
_OF_THE_PORT = (errno.EADDRINUSE, errno.EACCES)


class StartError(Exception):
    """The server cannot start, for a reason that is not a model's or a key's."""


@dataclass(frozen=True, slots=True)
class Start:
    """What the command line asks for."""

    models: list[str]
    options: ModelOptions
    settings: Config
    home: Path
    adopted: str | None
    chat_template: str | None = None


def _serve(start: Start, console: Console) -> None:
    sources, settings = _sources(start.models), start.settings.server
    try:
        bound = bind(settings.host, settings.port)
    except OSError as error:
        other = "--port" if error.errno in _OF_THE_PORT else "--host"
        text = f"cannot listen on {settings.host}, port {settings.port}: {error.strerror}; choose another with {other}"
        raise StartError(text) from None
    with bound, open_store(start.home, start.settings.store.url) as database:
        keys = KeyStore(database)
        new_key = keys.open(start.adopted)
        for line in doubts(keys, start.settings.prices, [source.name for source in sources]):
            log.warning("%s", line)
        store, steps = Store(start.home), Steps(console)
        sources = [_fetched(source, start.home, steps) for source in sources]
        catalog = Catalog([load(source, store, start.options, steps.step, start.chat_template) for source in sources])
        url = _url(settings, bound.getsockname()[1])

        def started() -> None:
            names = ", ".join(source.name for source in sources)
            console.print(
                f"[bold]Forefront {version('forefront')}[/] serves {names} on [bold]{url}[/] (Ctrl-C stops it)"
            )
            if new_key is not None:
                _show_key(console, url, new_key, sources[0].name)

        run_server(catalog, database, start.settings, bound, started)


def _sources(models: list[str]) -> list[ModelSource]:
    sources = [parse_source(text) for text in models] or [built_in()]
    names = [source.name for source in sources]
    for name in names:
        if names.count(name) > 1:
            raise SourceError(f"two models are called {name}; rename one with NAME=PATH")
    return sources


def _fetched(source: ModelSource, home: Path, steps: Steps) -> ModelSource:
    """The same source with its files there. Raises `SourceError`."""
    if source.known is None:
        return source
    log.info("%s is %s, %s, %s", source.name, source.known.title, source.known.licence, source.known.remark)
    return ModelSource(source.name, fetch(source.known, home, steps.download))


def _url(settings: ServerSettings, port: int) -> str:
    host = settings.host
    shown = {"0.0.0.0": "127.0.0.1", "::": "[::1]"}.get(host, f"[{host}]" if ":" in host else host)  # noqa: S104
    return f"{'http' if settings.tls_certificate is None else 'https'}://{shown}:{port}"


def _show_key(console: Console, url: str, key: str, model: str) -> None:
    """Print the new key and a command that uses it. The only time that anybody sees it."""
    console.print(
        f"""
Your API key, shown this once (only its hash is kept; `forefront keys create` makes others):

  export FOREFRONT_API_KEY={key}

Try it:

  curl {url}/v1/chat/completions \\
    --header 'content-type: application/json' \\
    --header "authorization: Bearer {key}" \\
    --data '{{"model": "{model}", "messages": [{{"role": "user", "content": "Write a recipe for an italian dinner"}}]}}'
""",
        markup=False,
    )
