"""A temporary PostgreSQL server, on a free port and in a temporary folder."""

import itertools
import os
import pwd
import shutil
import subprocess
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import sqlalchemy as sa

from tests.support.ports import free_port
from tests.support.programs.debian import installed

_names = itertools.count()


@contextmanager
def run_postgres(*, durable: bool = False) -> Iterator[str]:
    """Start one, yield the URL of its superuser's database, and stop it. `durable`: commits survive a power cut.

    Where PostgreSQL is missing, tests that need it are skipped, loudly; with CI set, it is installed, or they fail.
    """
    programs = _programs()
    folder = Path(tempfile.mkdtemp(prefix="forefront-pg-"))
    # It refuses to run as root, so that root runs it as the account that Debian's package makes.
    user = "postgres" if os.geteuid() == 0 else None
    if user is not None:
        shutil.chown(folder, user)
    port = free_port()
    options = f"-c listen_addresses=127.0.0.1 -c port={port} -c unix_socket_directories={folder}"
    options += "" if durable else " -c fsync=off"

    def run(program: str, *arguments: str) -> None:
        command = [str(programs / program), *arguments]
        environment = {"PATH": os.environ["PATH"], "LC_ALL": "C.UTF-8"}
        home = pwd.getpwnam(user).pw_dir if user else str(folder)
        subprocess.run(
            command,
            user=user,
            cwd=home if Path(home).is_dir() else "/",
            env=environment,
            check=True,
            capture_output=True,
        )

    run("initdb", "-D", str(folder / "data"), "-U", "forefront", "--auth=trust", "-E", "UTF8")
    run("pg_ctl", "-D", str(folder / "data"), "-w", "-l", str(folder / "log"), "-o", options, "start")
    try:
        yield f"postgresql://forefront@127.0.0.1:{port}/postgres"
    finally:
        run("pg_ctl", "-D", str(folder / "data"), "-m", "immediate", "stop")
        shutil.rmtree(folder)


def new_database(server: str) -> str:
    """The URL of a new, empty database of that server."""
    name = f"test_{next(_names)}"
    admin = sa.create_engine(sa.make_url(server).set(drivername="postgresql+psycopg"), isolation_level="AUTOCOMMIT")
    with admin.connect() as connection:
        connection.execute(sa.text(f"CREATE DATABASE {name}"))
    admin.dispose()
    return server.rsplit("/", 1)[0] + f"/{name}"


def _programs() -> Path:
    return installed(_find, "postgresql", "PostgreSQL is not installed, so NOTHING about it is tested")


def _find() -> Path | None:
    """The newest one's folder of programs."""
    installed = sorted(Path("/usr/lib/postgresql").glob("*/bin/initdb"), key=lambda path: int(path.parts[4]))
    on_path = shutil.which("initdb")
    return installed[-1].parent if installed else Path(on_path).resolve().parent if on_path else None
