"""A command whose output has no room, whose reader has gone, or that is broken off ends in a line at most."""

import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

COMMANDS = ("usage", "usage --csv", "keys list", "keys list --json", "projects list", "config check", "--help")


def run(command: str, home: Path, output: int) -> tuple[int, str]:
    """A command with that output: its status and its errors."""
    environment = {name: value for name, value in os.environ.items() if not name.startswith("FOREFRONT")}
    done = subprocess.run(
        [sys.executable, "-m", "forefront.cli", *command.split()],
        env=environment | {"FOREFRONT_HOME": str(home)},
        stdout=output,
        stderr=subprocess.PIPE,
        text=True,
        timeout=60,
        check=False,
    )
    return done.returncode, done.stderr


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="needs /dev/full")
@pytest.mark.parametrize("command", COMMANDS)
def test_a_full_disk_is_one_line(tmp_path: Path, command: str) -> None:
    with Path("/dev/full").open("w") as full:
        result = run(command, tmp_path, full.fileno())
    assert result == (1, "forefront: the output cannot be written: No space left on device\n")


@pytest.mark.parametrize("command", COMMANDS)
def test_a_closed_pipe_is_silent(tmp_path: Path, command: str) -> None:
    reader, writer = os.pipe()
    os.close(reader)
    assert run(command, tmp_path, writer) == (1, "")
    os.close(writer)


def test_ctrl_c_during_imports_is_silent(tmp_path: Path) -> None:
    """Its parts take most of a second."""
    slow = tmp_path / "typer.py"
    slow.write_text("import os, time\nos.write(1, b'x')\ntime.sleep(60)\n")
    program = subprocess.Popen(
        [
            sys.executable,
            "-c",
            f"import sys; sys.path.insert(0, {str(tmp_path)!r}); import forefront.cli as c; c.main()",
        ],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
    )
    assert program.stdout is not None
    assert program.stdout.read(1) == b"x"
    program.send_signal(signal.SIGINT)
    assert program.communicate(timeout=20) == (b"", b"")
    assert program.returncode == 130


def test_an_unexpected_error_is_one_line_with_its_location() -> None:
    script = "import forefront.cli as cli\ndef fail(): raise KeyError('a\\nb')\ncli._run = fail\ncli.main()"
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=False)
    assert (done.returncode, done.stdout) == (1, "")
    assert done.stderr == "forefront: internal error: KeyError: 'a\\nb' (<string>, line 2)\n"
