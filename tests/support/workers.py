"""Work that the processes of a test run do once, or in turn: pytest-xdist runs files in several processes."""

import fcntl
import hashlib
import os
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path


@contextmanager
def in_turn(name: str) -> Iterator[None]:
    """Run the block in one process of this machine at a time, for each `name`."""
    number = hashlib.sha256(name.encode()).hexdigest()[:16]
    with (Path(tempfile.gettempdir()) / f"forefront-tests-{number}.lock").open("a") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield


def is_first(mark: Path) -> bool:
    """Whether no other process of this run of tests has called this with the file `mark`. Call it `in_turn`."""
    run = os.environ.get("PYTEST_XDIST_TESTRUNUID")
    if run is None:
        return True
    if mark.exists() and mark.read_text() == run:
        return False
    mark.write_text(run)
    return True
