"""Child processes that do what may take all time and memory there is, for inputs that strangers wrote."""

import os
import subprocess
import sys
from multiprocessing.connection import Connection, Pipe
from typing import Final

_SECRETS: Final = ("FOREFRONT_API_KEY", "FOREFRONT_DATABASE_URL", "FOREFRONT_REDIS_URL")


def child_environment() -> dict[str, str]:
    """This process's environment, less what opens the server, its store or its Redis."""
    return {name: value for name, value in os.environ.items() if name not in _SECRETS}


def start_child(module: str) -> tuple[subprocess.Popen[bytes], Connection]:
    """`python -m MODULE FD` in a process of its own, where FD is its end of a connection; and this end."""
    ours, theirs = Pipe()
    process = subprocess.Popen(  # noqa: S603
        [sys.executable, "-m", module, str(theirs.fileno())],
        pass_fds=[theirs.fileno()],
        env=child_environment(),
        stdin=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    theirs.close()
    return process, ours
