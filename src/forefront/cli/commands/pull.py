"""`forefront pull`: brings model files to this machine."""

from typing import Annotated

import typer
from rich.console import Console

from forefront.catalog.pull.pull import Puller
from forefront.catalog.pull.pulled_models import PulledModel
from forefront.catalog.sources.source import Pullable, SourceError, find_pullable, pullable_hint
from forefront.cli.settings.config import ConfigError
from forefront.cli.store import fail, find_home
from forefront.cli.terminal.json_output import JsonOption, print_json
from forefront.cli.terminal.printable import printable
from forefront.cli.terminal.progress import StartupProgress, format_size

Names = Annotated[
    list[str],
    typer.Argument(
        metavar="MODEL",
        help="`hf:owner/repo`, `hf:owner/repo:Q4_K_M`, `hf:owner/repo:file.gguf@revision`, a known name such as "
        "`smollm2`, or `https://host/file.gguf#sha256=...`.",
    ),
]


def pull(models: Names, json: JsonOption = False) -> None:
    """Pull models from the Hugging Face hub, a known name or a URL, for `forefront serve`.

    `hf:owner/repo` selects the best quantisation that fits this machine's memory, or the safetensors of a repository
    without GGUF files. Files go to the hub's cache (`HF_HOME`), which other programs share; what is there already is
    not pulled again. An interrupted pull continues where it stopped. A second pull of the same reference updates it.

    `HF_TOKEN` gives access to gated and private repositories, `HF_ENDPOINT` names a mirror, and `HF_HUB_OFFLINE=1` uses
    the cache alone. `forefront models list` shows what is here.
    """
    console = Console(stderr=True, highlight=False, soft_wrap=True)
    try:
        puller = Puller(find_home(), StartupProgress(console).download)
        pulled = [puller.pull(remote) for remote in [_parse(text) for text in models]]
    except (ConfigError, SourceError) as error:
        fail(str(error))
    except KeyboardInterrupt:
        console.print("forefront: interrupted; partial files are kept, and the next pull continues from there")
        raise typer.Exit(130) from None
    if json:
        print_json(pulled)
    else:
        _print(pulled)


def _parse(text: str) -> Pullable:
    remote = find_pullable(text)
    if remote is None:
        raise SourceError(
            f"{text}: this is neither a known model (`forefront models list`) nor a reference such as hf:owner/repo"
            f"{pullable_hint(text)}"
        )
    return remote


def _print(pulled: list[PulledModel]) -> None:
    for model in pulled:
        typer.echo(printable(f"{model.name}: {format_size(model.size)} in {model.path}"))
