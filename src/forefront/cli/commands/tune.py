"""`forefront tune`: measures a model with several options on this machine, and keeps the fastest for `serve`."""

import logging
from dataclasses import asdict
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console

from forefront.catalog.loaders.local_loader import load_parts
from forefront.catalog.machine.cpus import available_cores
from forefront.catalog.model_cache import ModelCache
from forefront.catalog.pull.pull import Puller
from forefront.catalog.sources.source import ModelSource, SourceError, parse_source
from forefront.catalog.tuning.tuner import Tuner
from forefront.catalog.tuning.tuning_store import Tuning, Tunings
from forefront.chat.local.loading import ModelOptions, ModelParts
from forefront.cli.settings.config import ConfigError
from forefront.cli.store import fail, find_home
from forefront.cli.terminal.json_output import JsonOption, print_json
from forefront.cli.terminal.progress import SilentProgress, StartupProgress
from forefront.cli.terminal.table import print_table
from forefront.engine.free_memory import tune_allocator
from forefront.engine.model.model import PagedModel
from forefront.engine.model.openvino_import import error_summary
from forefront.engine.model.speed import STREAMS, Speed, measure_speed

Model = Annotated[str, typer.Argument(metavar="MODEL", help="A model as in `forefront serve`.")]
Seconds = Annotated[float, typer.Option(min=1, max=3600, help="Time for the measurements, without loading.")]
Approximate = Annotated[
    bool,
    typer.Option(
        "--approximate",
        help="Also choose among options that change results a little: a KV cache in 8 bits, and the precision bf16.",
    ),
]


def tune(
    model: Model,
    seconds: Seconds = 60.0,
    approximate: Approximate = False,
    json: JsonOption = False,
) -> None:
    """Find the fastest options for a model on this machine; takes about a minute.

    Reading a prompt, one stream and 16 streams are measured with several numbers of threads, and with threads that are
    not bound to cores. The result is kept under `FOREFRONT_HOME`, and `forefront serve` uses it for this model, except
    for options that its command line or `forefront.toml` sets. Run it under the load that the server will have.
    """
    console = Console(stderr=True, highlight=False, soft_wrap=True)
    logging.basicConfig(level=logging.WARNING, format="forefront: %(message)s")
    try:
        home = find_home()
        source, _use = Puller(home, StartupProgress(console).download).find_source(parse_source(model))
        tune_allocator()
        session = _Session(source, home, StartupProgress(console), seconds)
        tuner = Tuner(session.measure, available_cores(), approximate)
        session.visits = tuner.visits
        best = tuner.find()
        Tunings(home).keep(session.digest, best)
    except (ConfigError, SourceError) as error:
        fail(str(error))
    except OSError as error:
        fail(f"{error.filename or model}: {error.strerror}")
    except RuntimeError as error:  # what OpenVINO raises for everything
        fail(f"{model}: OpenVINO cannot load it: {error_summary(error)}")
    except KeyboardInterrupt:
        raise typer.Exit(130) from None
    if json:
        print_json({"chosen": asdict(best), "measured": [_row(*pair) for pair in tuner.speeds.items()]})
    else:
        _print(tuner.speeds, best)


class _Session:
    """Loads and measures one model repeatedly. `visits`: how often, for the time of each."""

    def __init__(self, source: ModelSource, home: Path, progress: StartupProgress, seconds: float) -> None:
        self._source, self._cache, self._progress, self._seconds = source, ModelCache(home), progress, seconds
        self._done = 0
        self.visits = 1
        self.digest = ""

    def measure(self, tuning: Tuning) -> Speed:
        """Raises `SourceError` and `RuntimeError`."""
        self._done += 1
        options = tuning.apply(ModelOptions(contexts=STREAMS))
        progress = self._progress if self._done == 1 else SilentProgress()
        loaded = load_parts(self._source, self._cache, options, progress)
        parts, self.digest = loaded.parts, loaded.digest
        if not isinstance(parts, ModelParts):
            raise SourceError(f"{self._source.path}: it makes embeddings; only models that write text are tuned")
        threads = tuning.threads or available_cores()
        with self._progress.step(f"{self._done} of {self.visits}: {_describe(tuning, threads)}"):
            model = PagedModel(parts.graph, parts.facts.context_length, options)
            try:
                return measure_speed(model, self._seconds / self.visits)
            finally:
                model.close()


def _describe(tuning: Tuning, threads: int) -> str:
    count, pinned, kv_precision, precision = _cells(tuning, threads)
    return f"threads {count}, {pinned}, KV cache {kv_precision}, precision {precision}"


def _cells(tuning: Tuning, threads: int) -> tuple[str, ...]:
    pinned = "pinned" if tuning.pinned else "not pinned"
    return str(threads), pinned, tuning.kv_precision, tuning.precision


def _row(tuning: Tuning, speed: Speed) -> dict[str, object]:
    return asdict(tuning) | {f"{name}_tokens_per_second": round(value, 1) for name, value in asdict(speed).items()}


def _print(speeds: dict[Tuning, Speed], best: Tuning) -> None:
    numbers = ("prompt tokens/s", "1 stream", f"{STREAMS} streams", "ratio")
    base = speeds[Tuning()]
    rows = [
        (
            *_cells(tuning, tuning.threads or available_cores()),
            *(f"{value:.0f}" for value in asdict(speed).values()),
            f"{speed.ratio(base):.2f}",
            "chosen" if tuning == best else "",
        )
        for tuning, speed in speeds.items()
    ]
    print_table(("threads", "on cores", "KV cache", "precision", *numbers, ""), rows, right=numbers)
    typer.echo(f"\n`forefront serve` uses {best.describe()} for this model from now on.")
