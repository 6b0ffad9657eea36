"""A store with a year of usage against an empty one: requests per second, reports, export, bytes."""

import asyncio
import random
import statistics
import tempfile
import time
from collections.abc import Callable
from contextlib import ExitStack
from pathlib import Path

import sqlalchemy as sa

from benchmarks.report import table
from benchmarks.suites.gateway import ONE_TOKEN, measure
from forefront.gateway.keys.key_store import KeyStore
from forefront.gateway.ledger.settlement import LedgerRow, write_rows
from forefront.gateway.ledger.usage_reports import UsageReports
from forefront.gateway.store.database import Database, open_database
from forefront.gateway.store.tables import completions, daily_usage
from forefront.gateway.store.transfer import export_database
from forefront.wire.admin.parse import ReportQuery
from forefront.wire.admin.records import Budget, NewKey, ProjectSettings
from tests.support.backends.instant import Nursery
from tests.support.programs.postgres import new_database, run_postgres

_ROWS, _KEYS, _PROJECTS, _MODELS = 3_000_000, 2000, 200, 3
_YEAR = 365 * 86_400
_GROUP = 20_000
_CLIENTS, _SECONDS = 32, 3.0


def run(repeats: int) -> None:
    """Print the tables. Takes some minutes and 5 GB of disk."""
    with ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="forefront-bench-")))
        postgres = stack.enter_context(run_postgres(durable=True))
        nursery = Nursery()
        rates, reads = [], []
        for name, empty, year in (
            ("SQLite", f"sqlite:///{folder / 'empty.db'}", f"sqlite:///{folder / 'year.db'}"),
            ("PostgreSQL", new_database(postgres), new_database(postgres)),
        ):
            clients = [(url, _make_keys(url)) for url in (empty, year)]
            database = open_database(year)
            _fill(database)
            servers = [
                (stack.enter_context(nursery.serve(url, folder / "log")).url, keys[:_CLIENTS]) for url, keys in clients
            ]
            rounds = [[_rate(*server) for server in servers] for _ in range(repeats + 1)][1:]
            medians = [statistics.median(column) for column in zip(*rounds, strict=True)]
            rates.append([name, *(f"{one:.0f}" for one in medians), medians[1] / medians[0]])
            reads.append([name, *_reads(database, folder / "store.jsonl")])
            database.close()
    table(f"{_CLIENTS} clients, each with a key and a project with budgets", ["store", "empty", "a year", "÷"], rates)
    head = ["store", "completions", "sums of days", "GB", "by key, s", "by day, project, model, s", "export, s"]
    table("Reading a year", head, reads)


def _make_keys(url: str) -> list[str]:
    """The text of each; they and their projects have a budget for ever."""
    database = open_database(url)
    keys, budget = KeyStore(database), Budget(tokens=10**13, period="ever")
    made = []
    for number in range(_KEYS):
        project = f"project-{number % _PROJECTS}"
        key = keys.create(NewKey(name="bench", project=project, budget=budget))
        made.append(key.key)
        if number < _PROJECTS:
            keys.set_project(project, ProjectSettings(budget=budget))
    database.close()
    return made


def _fill(database: Database) -> None:
    """A year until now. Some keys ask much more than others."""
    draw = random.Random(1)
    keys = [(key.id, key.project) for key in KeyStore(database).list_keys()]
    begin = time.time() - _YEAR
    for first in range(0, _ROWS, _GROUP):
        rows = []
        for number in range(first, first + _GROUP):
            at = begin + number * _YEAR / _ROWS
            key, project = keys[int(_KEYS * draw.random() ** 3)]
            model, given, sampled = (
                f"model-{int(_MODELS * draw.random() ** 2)}",
                draw.randrange(3000),
                draw.randrange(800),
            )
            name, cost = f"chatcmpl-{draw.getrandbits(128):032x}", given * 100 + sampled * 400
            rows.append(
                LedgerRow(
                    name, key, project, model, "completed", "stop", given, 0, sampled, 0, cost, at - 3, at - 2.9, at
                )
            )
        with database.write() as connection:
            write_rows(connection, rows, retry=False)


def _rate(url: str, keys: list[str]) -> float:
    """Answers per second."""
    return asyncio.run(measure(url, keys, ONE_TOKEN, _SECONDS)).rate


def _reads(database: Database, file: Path) -> list[str]:
    counts = []
    for counted in (completions, daily_usage):
        with database.read(statement_timeout=False) as connection:
            counts.append(str(connection.execute(sa.select(sa.func.count()).select_from(counted)).scalar_one()))
    sized = "page_count * page_size FROM pragma_page_count, pragma_page_size"
    with database.read() as connection:
        query = f"SELECT {sized if database.is_sqlite else 'pg_database_size(current_database())'}"
        counts.append(f"{connection.execute(sa.text(query)).scalar_one() / 1e9:.2f}")
    usage = UsageReports(database)
    reports = [ReportQuery(by=["key"]), ReportQuery(by=["day", "project", "model"])]
    tasks: list[Callable[[], object]] = [
        *(lambda wanted=wanted: sum(1 for _ in usage.rows(wanted, statement_timeout=False)) for wanted in reports),
        lambda: export_database(database, file),
    ]
    return [*counts, *(f"{_seconds(task):.1f}" for task in tasks)]


def _seconds(task: Callable[[], object]) -> float:
    begin = time.perf_counter()
    task()
    return time.perf_counter() - begin
