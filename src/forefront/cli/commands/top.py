"""`forefront top`: a live view of a running server."""

import sys
import time
from collections import deque
from typing import Annotated, Final

import typer
from rich.console import Console
from rich.live import Live

from forefront import ForefrontClient, ForefrontError
from forefront.cli.live_view.reading import ModelRates, Rates, Reading, parse_reading, rates
from forefront.cli.live_view.screen import COLUMNS, NUMBERS, Screen, cells, error_lines
from forefront.cli.options.client_options import BaseUrl, connect, decode_admin, handle_errors, send_admin
from forefront.cli.terminal.table import print_table
from forefront.client.settings import Timeout
from forefront.wire.admin.records import ServerStatus

# Seconds over which rates and latencies are measured.
_WINDOW: Final = 10.0
# A server that answers later hangs: old numbers must not look like new ones.
_TIMEOUT: Final = Timeout(read=10.0)


def top(
    once: Annotated[
        bool, typer.Option("--once", help="Print the state once, with sums since the server's start.")
    ] = False,
    interval: Annotated[float, typer.Option(min=0.2, max=60, help="Seconds between two readings.")] = 1.0,
    base_url: BaseUrl = None,
) -> None:
    """Watch a running server: requests, tokens per second, latencies, queue, models, errors. Needs an admin key in
    FOREFRONT_API_KEY; the first key of a server is one.

    If standard output is not a terminal, it prints a line for each reading.
    """
    with handle_errors(), connect(base_url) as client:
        first = read_server(client)
        if once:
            _print_once(first)
            return
        try:
            if _has_screen():
                _show_live(client, first, interval)
            else:
                _print_lines(client, first, interval)
        except KeyboardInterrupt:  # Ctrl-C is the usual way to end the command
            return


def read_server(client: ForefrontClient) -> Reading:
    """A reading of the server. Raises `ForefrontError`."""
    status = decode_admin(send_admin(client, "GET", "/admin/status", _TIMEOUT), ServerStatus)
    metrics = send_admin(client, "GET", "/metrics", _TIMEOUT).decode(errors="replace")
    try:
        return parse_reading(time.monotonic(), status, metrics)
    except ValueError:
        raise ForefrontError("The metrics are not those of a Forefront server.") from None


def _has_screen() -> bool:
    """Whether standard output is a terminal with a cursor. Rich alone takes a pipe for one if `FORCE_COLOR` is set."""
    console = Console()
    return sys.stdout.isatty() and console.is_terminal and not console.is_dumb_terminal


class Window:
    """The readings of the last ten seconds."""

    def __init__(self, first: Reading) -> None:
        self._readings = deque([first])

    def add(self, reading: Reading) -> Rates:
        """The activity from the oldest reading to this one."""
        self._readings.append(reading)
        while len(self._readings) > 2 and self._readings[1].time <= reading.time - _WINDOW:
            self._readings.popleft()
        return rates(self._readings[0], reading)


def _show_live(client: ForefrontClient, reading: Reading, interval: float) -> None:
    screen, window, shown = Screen(client._settings.base_url), Window(reading), Rates(0.0)
    with Live(screen.render(reading, shown), console=Console(), screen=True, auto_refresh=False) as live:
        while True:
            time.sleep(interval)
            problem = None
            try:
                reading = read_server(client)
                shown = window.add(reading)
            except ForefrontError as error:
                problem = str(error)
            live.update(screen.render(reading, shown, problem), refresh=True)


def _print_lines(client: ForefrontClient, first: Reading, interval: float) -> None:
    window = Window(first)
    typer.echo(f"{'time':>8} {'running':>8} {'waiting':>8} {'tokens/s':>9} {'requests/min':>13} {'errors':>7}")
    while True:
        time.sleep(interval)
        reading = read_server(client)
        now, status = window.add(reading), reading.status
        line = f"{time.strftime('%H:%M:%S')} {status.running:8} {status.waiting:8} {now.tokens:9.0f}"
        typer.echo(f"{line} {now.requests * 60:13.0f} {now.errors.total():7}")
        sys.stdout.flush()


def _print_once(reading: Reading) -> None:
    shown, status = rates(None, reading), reading.status
    kept = [place for place, name in enumerate(COLUMNS) if name not in ("tok/s", "req/min")]
    rows = [cells(name, model, reading, shown.models.get(name, ModelRates())) for name, model in status.models.items()]
    columns = [COLUMNS[place] for place in kept]
    print_table(columns, [[row[place] for place in kept] for row in rows], folds=("model",), right=NUMBERS)
    typer.echo(f"{status.running} running, {status.waiting} waiting")
    if shown.errors:
        typer.echo("errors: " + ", ".join(error_lines(shown.errors)))
