"""Processes of peers: each in its own process group, which ends with the context."""

import ctypes
import os
import signal
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Final

_START_SECONDS: Final = 180.0
_END_SECONDS: Final = 20.0
_LIBC: Final = ctypes.CDLL(None)
_PR_SET_PDEATHSIG: Final = 1


class PeerError(Exception):
    """A peer was not built, not installed, or did not start."""


@contextmanager
def run_process(
    command: Sequence[str], log: Path, environment: Mapping[str, str] | None = None
) -> Iterator[subprocess.Popen[bytes]]:
    """Run the command with its output in `log`. Ends its whole process group in the end."""
    log.parent.mkdir(parents=True, exist_ok=True)
    with log.open("wb") as output:
        process = subprocess.Popen(
            command, stdin=subprocess.DEVNULL, stdout=output, stderr=subprocess.STDOUT,
            env=environment, start_new_session=True, preexec_fn=_end_with_parent,
        )  # fmt: skip
    try:
        yield process
    finally:
        _end(process)


def wait_until_ready(name: str, url: str, process: subprocess.Popen[bytes], log: Path) -> None:
    """Wait until a GET of `url` succeeds. Raises `PeerError` with the end of the log if it does not."""
    deadline = time.monotonic() + _START_SECONDS
    while time.monotonic() < deadline and process.poll() is None:
        try:
            with urllib.request.urlopen(url, timeout=5):
                return
        except (urllib.error.URLError, OSError):
            time.sleep(0.2)
    raise not_started(name, process, log)


def not_started(name: str, process: subprocess.Popen[bytes], log: Path) -> PeerError:
    """The error of a peer that is not ready, with how it ended and the end of its log."""
    match process.poll():
        case None:
            reason = f"it was not ready after {_START_SECONDS:.0f} s"
        case status if status < 0:
            reason = f"it was ended by {signal.Signals(-status).name}"
        case status:
            reason = f"it ended with status {status}"
    return PeerError(f"{name} did not start: {reason}. The end of its log:\n{log.read_text(errors='replace')[-2000:]}")


def run_to_end(name: str, command: Sequence[str]) -> None:
    """Run a step of a build. Raises `PeerError` with its output if it fails."""
    print(f"  {Path(command[0]).name} {' '.join(command[1:4])} ...", file=sys.stderr, flush=True)
    result = subprocess.run(command, stdin=subprocess.DEVNULL, capture_output=True, text=True, check=False)
    if result.returncode != 0:
        output = (result.stdout + result.stderr).strip()[-2000:]
        raise PeerError(f"{name} could not be built: {' '.join(command)} failed:\n{output}")


def _end_with_parent() -> None:
    """In the child: the kernel kills it if this process is killed. The main thread must start it."""
    _LIBC.prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)


def _end(process: subprocess.Popen[bytes]) -> None:
    with suppress(ProcessLookupError):
        os.killpg(process.pid, signal.SIGTERM)
    with suppress(subprocess.TimeoutExpired):
        process.wait(_END_SECONDS)
    with suppress(ProcessLookupError):  # those of the group that ignored the signal
        os.killpg(process.pid, signal.SIGKILL)
    process.wait()
