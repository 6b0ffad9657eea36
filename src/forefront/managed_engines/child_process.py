"""The child's side of an engine process: settings, readiness, and its end together with the parent's.

Only the standard library is imported, so that a child starts fast.
"""

import ctypes
import json
import os
import signal
import sys
from typing import Any, Final, TextIO

_PR_SET_PDEATHSIG: Final = 1
_PR_SET_CHILD_SUBREAPER: Final = 36


def read_settings() -> dict[str, Any]:
    """The settings that the parent sent: one line of JSON on standard input. They may hold secrets, which would be
    visible to other users on a command line."""
    settings: dict[str, Any] = json.loads(sys.stdin.readline())
    return settings


def die_with_parent(parent: int, number: int = signal.SIGKILL) -> None:
    """Let the kernel send signal `number` to this process when the process `parent` dies. If the parent is already
    dead, this process ends."""
    ctypes.CDLL(None, use_errno=True).prctl(_PR_SET_PDEATHSIG, int(number), 0, 0, 0)
    if os.getppid() != parent:
        os.kill(os.getpid(), number)


def adopt_orphans() -> None:
    """Become the parent of every descendant whose own parent ends, so that `process_tree` finds it."""
    ctypes.CDLL(None, use_errno=True).prctl(_PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0)


def take_report_stream() -> TextIO:
    """The stream to the parent, for `report_ready`. Standard output becomes a second standard error: libraries print to
    it."""
    sys.stdout.flush()
    report = os.fdopen(os.dup(1), "w")
    os.dup2(2, 1)
    return report


def report_ready(report: TextIO, url: str) -> None:
    """Send the parent the address that this engine listens on."""
    report.write(json.dumps({"url": url}) + "\n")
    report.close()


def wait_for_end() -> None:
    """Return when the parent closes standard input, or dies."""
    while sys.stdin.read(4096):
        pass
