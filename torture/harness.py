"""The environment of every part: a folder, stores of both kinds, servers, and the results."""

import asyncio
import itertools
import sys
from collections.abc import AsyncIterator, Iterator
from contextlib import AbstractContextManager, asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Protocol, TypeVar

from tests.support.backends.instant import Nursery
from tests.support.models.random_model import write_random_gguf
from tests.support.programs.postgres import new_database
from tests.support.server import RunningServer, run_server

T = TypeVar("T")


class Process(Protocol):
    """A server's process."""

    def kill(self) -> None: ...


class Server(Protocol):
    """A running server."""

    url: str

    @property
    def process(self) -> Process: ...


@dataclass(frozen=True)
class Result:
    """A line of the summary: the scenario, its store, the measurement, and whether the promise holds."""

    part: str
    store: str
    done: str
    found: str
    good: bool


@dataclass
class Harness:
    """`scale` multiplies the counts. `postgres` is the URL of a server, None where there is none. Processes on
    PostgreSQL count limits in the Redis of `redis`, if there is one. `scenarios`: those of the part `cluster`, all of
    them if it is empty."""

    folder: Path
    scale: float = 1.0
    postgres: str | None = None
    quiet: bool = False
    redis: str | None = None
    scenarios: tuple[str, ...] = ()
    results: list[Result] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.nursery = Nursery()
        self._names = itertools.count()

    def count(self, whole: int, *, minimum: int = 1) -> int:
        """The scaled number of `whole` repetitions."""
        return max(round(whole * self.scale), minimum)

    @property
    def stores(self) -> list[str]:
        """The available kinds of store."""
        return ["SQLite", "PostgreSQL"] if self.postgres else ["SQLite"]

    def new_store(self, kind: str) -> str:
        """The URL of a new, empty store."""
        if kind == "PostgreSQL":
            assert self.postgres is not None
            return new_database(self.postgres)
        return f"sqlite:///{self.new_folder() / 'forefront.db'}"

    def new_folder(self) -> Path:
        """A new, empty folder."""
        folder = self.folder / f"part{next(self._names)}"
        folder.mkdir()
        return folder

    def tiny(self) -> str:
        """A random model that never ends an answer by itself, as an argument of `forefront serve`."""
        path = self.folder / "tiny.gguf"
        if not path.exists():
            write_random_gguf(path)
        return f"tiny={path}"

    def serve(
        self, store: str, *arguments: str, module: str = "forefront.cli", **settings: str
    ) -> AbstractContextManager[RunningServer]:
        """A `forefront serve` process. Packed weights are kept between calls."""
        environment = {"FOREFRONT_DATABASE_URL": store} | settings
        if self.redis is not None and store.startswith("postgresql"):
            environment |= {"FOREFRONT_REDIS_URL": self.redis}
        home, log = self.folder / "home", self.folder / f"log{next(self._names)}"
        return run_server(list(arguments), home, environment=environment, module=module, log=log)

    def report(self, part: str, store: str, done: str, found: str, *, good: bool) -> None:
        """Add a line to the summary."""
        self.results.append(Result(part, store, done, found, good))
        self.log(f"{part}, {store}: {done}: {found}{'' if good else '  <-- NOT AS PROMISED'}")

    def numbers(self, part: str, count: int) -> Iterator[int]:
        """The numbers below `count`, shared by several workers, with progress lines."""
        for number in range(count):
            if number and number % max(count // 10, 1) == 0:
                self.log(f"{part}: {number} of {count}")
            yield number

    def log(self, text: str) -> None:
        """Print progress."""
        if not self.quiet:
            print(text, file=sys.stderr, flush=True)


@asynccontextmanager
async def entered(context: AbstractContextManager[T]) -> AsyncIterator[T]:
    """A blocking context manager, entered and exited in a thread."""
    value = await asyncio.to_thread(context.__enter__)
    try:
        yield value
    finally:
        await asyncio.to_thread(context.__exit__, None, None, None)
