"""The screen of `forefront top`."""

from collections import Counter, deque
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Final

from rich.console import Console, ConsoleOptions, Group, RenderableType, RenderResult
from rich.table import Table
from rich.text import Text

from forefront.cli.live_view.reading import ModelRates, Rates, Reading
from forefront.cli.terminal.printable import printable
from forefront.wire.admin.records import ClusterStatus, ModelStatus

COLUMNS: Final = ("model", "state", "run", "wait", "tok/s", "req/min", "TTFT", "ITL", "cached", "KV", "MiB")
NUMBERS: Final = COLUMNS[2:]
# Columns that a narrow terminal goes without, the first one first: a number is never cut.
_OPTIONAL: Final = ("MiB", "cached", "KV", "req/min", "ITL", "TTFT", "wait")
_MIN_NAME: Final = 20
_GAP: Final = 2
_STATES: Final = {"loaded": "green", "loading": "yellow", "unloading": "yellow", "failed": "red"}
_BARS: Final = "▁▂▃▄▅▆▇█"
_POINTS: Final = 60
_MAX_ERRORS: Final = 6
_MAX_REPLICAS: Final = 12


class Screen:
    """Renders readings. It keeps the tokens per second of the last readings for its chart."""

    def __init__(self, address: str) -> None:
        self._address = printable(address)
        self._tokens: deque[float] = deque(maxlen=_POINTS)

    def render(self, reading: Reading, rates: Rates, problem: str | None = None) -> RenderableType:
        """The whole screen. `problem`: why the reading is old."""
        if problem is None:
            self._tokens.append(rates.tokens)
        return Group(
            self._head(reading, rates, problem), Text(), _Models(reading, rates), *_errors(rates.errors, rates.seconds)
        )

    def _head(self, reading: Reading, rates: Rates, problem: str | None) -> RenderableType:
        title = Text.assemble(("Forefront ", "bold"), (self._address, "dim"))
        status = reading.status
        limit = "" if status.memory_limit is None else f" of {_mebibytes(status.memory_limit)}"
        facts = Text.assemble(
            *_fact("running", str(status.running)),
            *_fact("waiting", str(status.waiting)),
            *_fact("tokens/s", f"{rates.tokens:.0f}"),
            *_fact("requests/min", f"{rates.requests * 60:.0f}"),
            *_fact("models", f"{_mebibytes(status.memory)}{limit} MiB"),
        )
        line = _Chart(tuple(self._tokens))
        note = Text("Ctrl-C ends", style="dim") if problem is None else Text(printable(problem), style="red")
        return Group(title, facts, line, note)


def cells(name: str, model: ModelStatus, reading: Reading, rates: ModelRates) -> list[str]:
    """The row of a model, by `COLUMNS`."""
    state = model.state if model.load_percent is None else f"{model.state} {model.load_percent} %"
    cache = "" if not model.blocks_total else _percent(reading.value("kv_cache_usage_perc", name))
    return [
        printable(name),
        state,
        f"{reading.value('num_requests_running', name):.0f}",
        f"{reading.value('num_requests_waiting', name):.0f}",
        f"{rates.tokens:.0f}",
        f"{rates.requests * 60:.0f}",
        _seconds(rates.first_token),
        _seconds(rates.between_tokens),
        "" if rates.cache_hits is None else _percent(rates.cache_hits),
        cache,
        _mebibytes(model.size) if model.size else "",
    ]


def sparkline(values: Iterable[float]) -> str:
    """A chart of one line, as high as the greatest value."""
    kept = list(values)
    top = max(kept, default=0.0)
    return "".join(_BARS[round(value / top * (len(_BARS) - 1)) if top else 0] for value in kept)


def error_lines(errors: Counter[str]) -> list[str]:
    """The most frequent codes with their numbers."""
    return [f"{code} {count}" for code, count in errors.most_common(_MAX_ERRORS)]


@dataclass(frozen=True, slots=True)
class _Chart:
    """The last values that the width has room for."""

    values: Sequence[float]

    def __rich_console__(self, _console: Console, options: ConsoleOptions) -> RenderResult:
        yield Text(sparkline(self.values[-options.max_width :]), style="cyan")


@dataclass(frozen=True, slots=True)
class _Models:
    """The table of models, with the columns that the width has room for."""

    reading: Reading
    rates: Rates

    def __rich_console__(self, _console: Console, options: ConsoleOptions) -> RenderResult:
        rows = list(_rows(self.reading, self.rates))
        columns = zip(*_padded(rows), strict=True)
        widths = [max(cell.cell_len for cell in column) for column in columns] or [0] * len(COLUMNS)
        widths = [max(width, len(name)) for width, name in zip(widths, COLUMNS, strict=True)]
        kept = list(range(len(COLUMNS)))
        for name in _OPTIONAL:
            if min(widths[0], _MIN_NAME) + sum(widths[place] + _GAP for place in kept[1:]) <= options.max_width:
                break
            kept.remove(COLUMNS.index(name))
        room = options.max_width - sum(widths[place] + _GAP for place in kept[1:])
        table = Table(box=None, padding=(0, _GAP, 0, 0), header_style="bold", pad_edge=False)
        table.add_column("model", no_wrap=True, overflow="ellipsis", width=max(min(widths[0], room), 1))
        for place in kept[1:]:
            right = COLUMNS[place] in NUMBERS
            table.add_column(COLUMNS[place], justify="right" if right else "left", no_wrap=True, width=widths[place])
        for row in _padded(rows):
            table.add_row(*(row[place] for place in kept))
        yield table


def _padded(rows: Iterable[list[Text]]) -> Iterable[list[Text]]:
    return ([*row, *[Text()] * (len(COLUMNS) - len(row))] for row in rows)


def _rows(reading: Reading, rates: Rates) -> Iterable[list[Text]]:
    """A row for each model, and below it for each server that answers for it."""
    for name, model in reading.status.models.items():
        row = [Text(cell) for cell in cells(name, model, reading, rates.models.get(name, ModelRates()))]
        row[1].stylize(_STATES.get(model.state, "dim"))
        yield row
        for replica in model.replicas:
            health = {"closed": "in use", "half_open": "on trial", "open": "out of use"}[replica.state]
            style = "green" if replica.state == "closed" else "red"
            label = Text(f"  {printable(replica.name)}", style="dim")
            yield [label, Text(health, style=style), Text(f"{replica.running}")]
        if model.cluster is not None:
            yield from _cluster_rows(model.cluster)


def _cluster_rows(cluster: ClusterStatus) -> Iterable[list[Text]]:
    """Rows of the replicas, the busiest first, and one of routing and moves."""
    busiest = sorted(cluster.replicas, key=lambda replica: -replica.work)
    for replica in busiest[:_MAX_REPLICAS]:
        style = {"available": "green", "draining": "yellow", "lost": "red"}[replica.state]
        blocks = _percent(replica.blocks_held / replica.blocks_total) if replica.blocks_total else ""
        name = Text(f"  {printable(replica.name)} on {printable(replica.node)}", style="dim")
        numbers = (f"{replica.running}", f"{replica.waiting}", "", "", "", "", "", blocks)
        yield [name, Text(replica.state, style=style), *map(Text, numbers)]
    more = len(cluster.replicas) - _MAX_REPLICAS
    routing, moves = cluster.routing, cluster.moves
    facts = [f"{more} more replicas"] if more > 0 else []
    if routing.tokens:
        facts.append(f"{_percent(routing.known_tokens / routing.tokens)} known")
    facts.append(f"{moves.failures + moves.drains} moved")
    yield [Text("  " + ", ".join(facts), style="dim")]


def _errors(errors: Counter[str], seconds: float) -> list[RenderableType]:
    if not errors:
        return []
    return [Text(), Text(f"errors of the last {seconds:.0f} s: " + ", ".join(error_lines(errors)), style="red")]


def _fact(name: str, value: str) -> list[tuple[str, str]]:
    return [(value, "bold"), (f" {name}   ", "dim")]


def _seconds(value: float | None) -> str:
    if value is None:
        return ""
    return f"{value:.2f} s" if value >= 1 else f"{value * 1000:.3g} ms"


def _percent(share: float) -> str:
    return f"{share * 100:.0f} %"


def _mebibytes(size: int) -> str:
    return f"{size / 2**20:.0f}"
