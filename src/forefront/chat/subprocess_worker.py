"""Child processes that do what may take all time and memory there is, for inputs that strangers wrote."""

import os
import resource
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


def bound_memory(most: int) -> None:
    """Let this process write to at most `most` bytes of memory of its own, and leave no core file.

    Not the address space: threads and OpenVINO reserve many times of it what they use.
    """
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    resource.setrlimit(resource.RLIMIT_DATA, (most, most))


def bound_processor_time(seconds: float) -> None:
    """End this process once it has computed for `seconds` more on every core, should its parent no longer be there."""
    spent = sum(resource.getrusage(resource.RUSAGE_SELF)[:2])
    most = int(spent + seconds * (os.cpu_count() or 1)) + 2
    resource.setrlimit(resource.RLIMIT_CPU, (most, resource.RLIM_INFINITY))
