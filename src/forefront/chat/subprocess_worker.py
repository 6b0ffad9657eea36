"""Child processes for work on untrusted input, with bounds on their memory and processor time."""

import os
import re
import resource
import subprocess
import sys
from multiprocessing.connection import Connection, Pipe
from typing import Final

_SECRETS: Final = (
    *("FOREFRONT_API_KEY", "FOREFRONT_DATABASE_URL", "FOREFRONT_REDIS_URL", "FOREFRONT_ENCRYPTION_KEY"),
    *("HF_TOKEN", "HUGGING_FACE_HUB_TOKEN"),
)
# What Python, the C library and llguidance read. A list of secrets would be incomplete: the settings choose the names
# of the variables with the keys of upstreams, and addresses of proxies contain passwords.
_ALLOWED: Final = re.compile(
    "PATH|HOME|VIRTUAL_ENV|PYTHON[A-Z0-9]+|LD_LIBRARY_PATH|LD_PRELOAD"
    "|LANG|LANGUAGE|LC_[A-Z]+|LOCPATH|TZ|TZDIR|TMPDIR|TEMP|TMP"
    "|GLIBC_TUNABLES|MALLOC_[A-Z_]+|RAYON_NUM_THREADS|RUST_MIN_STACK|TOKENIZERS_PARALLELISM"
)


def child_environment() -> dict[str, str]:
    """This process's environment without the secrets of the server, its store, its Redis and the hub."""
    return {name: value for name, value in os.environ.items() if name not in _SECRETS}


def worker_environment() -> dict[str, str]:
    """The environment of a process for untrusted input: only variables that it needs."""
    return {name: value for name, value in os.environ.items() if _ALLOWED.fullmatch(name)}


def start_child(module: str) -> tuple[subprocess.Popen[bytes], Connection]:
    """Start `python -m MODULE FD`, where FD is the child's end of a connection. The process, and the parent's end."""
    parent_end, child_end = Pipe()
    process = subprocess.Popen(  # noqa: S603
        [sys.executable, "-m", module, str(child_end.fileno())],
        pass_fds=[child_end.fileno()],
        env=worker_environment(),
        stdin=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    child_end.close()
    return process, parent_end


def bound_memory(max_bytes: int) -> None:
    """Bound the private writable memory of this process, and disable core files.

    The address space stays unbounded: threads and OpenVINO reserve many times what they use.
    """
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    resource.setrlimit(resource.RLIMIT_DATA, (max_bytes, max_bytes))


def bound_processor_time(seconds: float) -> None:
    """End this process after `seconds` more of computation on every core, in case its parent is gone."""
    spent = sum(resource.getrusage(resource.RUSAGE_SELF)[:2])
    limit = int(spent + seconds * (os.cpu_count() or 1)) + 2
    resource.setrlimit(resource.RLIMIT_CPU, (limit, resource.RLIM_INFINITY))
