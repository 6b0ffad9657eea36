"""`forefront chat` on a real terminal: Markdown, and Ctrl-C that stops the answer and not the program."""

import fcntl
import os
import pty
import re
import select
import subprocess
import sys
import termios
import time
from pathlib import Path

from tests.support.backends.instant import KEY, MODEL, Nursery

CTRL_C, CTRL_D = b"\x03", b"\x04"


class Terminal:
    """A program on a pseudo-terminal."""

    def __init__(self, arguments: list[str], environment: dict[str, str]) -> None:
        self._ours, theirs = pty.openpty()
        termios.tcsetwinsize(theirs, (24, 80))
        self.process = subprocess.Popen(
            [sys.executable, "-m", "forefront.cli", *arguments],
            env=environment,
            stdin=theirs,
            stdout=theirs,
            stderr=theirs,
            start_new_session=True,
            preexec_fn=lambda: _take_terminal(theirs),
        )
        os.close(theirs)
        self.shown = ""

    def type(self, keys: bytes) -> None:
        """Type on the keyboard."""
        os.write(self._ours, keys)

    def wait_for(self, text: str, times: int = 1) -> None:
        """Wait until the text has been shown so often."""
        deadline = time.monotonic() + 60
        while len(re.findall(text, self.shown)) < times:
            assert time.monotonic() < deadline, self.shown[-1500:]
            if select.select([self._ours], [], [], 0.5)[0]:
                piece = os.read(self._ours, 65_536).decode(errors="replace")
                self.shown += re.sub(r"\x1b\[[0-9;?]*[A-Za-z]", "", piece)


def _take_terminal(descriptor: int) -> None:
    """Make it the controlling terminal, which turns Ctrl-C into a signal."""
    fcntl.ioctl(descriptor, termios.TIOCSCTTY, 0)


def test_ctrl_c_stops_the_answer_and_not_the_program(tmp_path: Path) -> None:
    with Nursery().serve(f"sqlite:///{tmp_path}/s.db", tmp_path / "log", pause=0.01) as server:
        environment = os.environ | {"FOREFRONT_BASE_URL": server.url, "FOREFRONT_API_KEY": KEY, "TERM": "xterm"}
        # Each wait ends with a new prompt: Enter before it would be a line feed, as the terminal is not in raw mode.
        environment |= {"FOREFRONT_HOME": str(tmp_path), "PROMPT_TOOLKIT_NO_CPR": "1"}
        terminal = Terminal(["chat", "--max-tokens", "100000"], environment)
        try:
            terminal.wait_for(f"This is {MODEL}")
            terminal.wait_for(">")
            terminal.type(b"Hello\r")
            terminal.wait_for("word word word")
            terminal.type(CTRL_C)
            terminal.wait_for(r"\(stopped\)[\s\S]*>")
            assert "^C" not in terminal.shown
            terminal.type(b"/help\r")
            terminal.wait_for(r"Ctrl-C stops an answer[\s\S]*>")
            terminal.type(CTRL_D)
            assert terminal.process.wait(60) == 0
        finally:
            terminal.process.kill()
            terminal.process.wait()
