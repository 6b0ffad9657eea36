"""The command line: the only place where the parts are wired together. `main` turns every failure into one line."""

import errno
import io
import logging
import os
import sys
import traceback
from pathlib import Path
from typing import NoReturn

# Errors of a full or failing disk. A closed pipe, as after `| head`, is not an error.
_OUTPUT_FULL = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG, errno.EIO)


def main() -> None:
    """Run the `forefront` command."""
    _prepare_standard_streams()
    try:
        _run()
    except KeyboardInterrupt:  # while modules are imported
        raise SystemExit(130) from None
    except OSError as error:
        if error.errno in _OUTPUT_FULL:
            _fail(f"the output cannot be written: {error.strerror}")
        _fail(_describe(error))
    except Exception as error:
        _fail(_describe(error))


def _run() -> None:
    try:
        from forefront.cli.app import app
    except ModuleNotFoundError as missing:
        fail_missing_package(missing)
    app(prog_name="forefront")


def fail_missing_package(missing: ModuleNotFoundError) -> NoReturn:
    """End because a package of the server is missing."""
    raise SystemExit(
        f"forefront: {missing.name} is not installed. The commands need the server's packages: "
        "pip install 'forefront[server]'"
    ) from None


def _prepare_standard_streams() -> None:
    """Open closed standard streams on the null device, and let output escape what its encoding lacks.

    Without this, a file that the program opens would become its standard output.
    """
    while (opened := os.open(os.devnull, os.O_RDWR)) <= 2:  # `open` takes the lowest free descriptor
        pass
    os.close(opened)
    sys.stdin = sys.stdin or open(0, closefd=False)  # noqa: SIM115 - a descriptor, for the whole run
    sys.stdout = sys.stdout or open(1, "w", closefd=False)  # noqa: SIM115
    sys.stderr = sys.stderr or open(2, "w", closefd=False)  # noqa: SIM115
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors="backslashreplace")


def _fail(reason: str) -> NoReturn:
    """End with one line and status 1. Pending output is dropped, or Python would retry it with a traceback."""
    os.dup2(os.open(os.devnull, os.O_WRONLY), 1)
    raise SystemExit(f"forefront: {reason}") from None


def _describe(error: Exception) -> str:
    """An unexpected error in one line, with the place for a bug report. Its traceback is logged at the level debug."""
    logging.getLogger(__name__).debug("internal error", exc_info=error)
    *_, last = traceback.extract_tb(error.__traceback__)
    text = " ".join(str(error).split())[:500]
    return f"internal error: {type(error).__name__}: {text} ({Path(last.filename).name}, line {last.lineno})"
