"""The input line of a conversation: several lines, with a history in a file."""

import os
import sys
import termios
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from prompt_toolkit import PromptSession
from prompt_toolkit.completion import WordCompleter
from prompt_toolkit.history import FileHistory, History, InMemoryHistory
from prompt_toolkit.key_binding import KeyBindings, KeyPressEvent

from forefront.cli.chat_session.chat_commands import COMMANDS


class MessageInput:
    """Reads messages from the terminal. Enter ends a message; Alt-Enter and Ctrl-J begin a new line."""

    def __init__(self, history: Path | None) -> None:
        self._session: PromptSession[str] = PromptSession(
            "> ",
            multiline=True,
            prompt_continuation="· ",
            key_bindings=_bindings(),
            history=_open_history(history),
            enable_history_search=False,
            completer=WordCompleter(list(COMMANDS), sentence=True),
            complete_while_typing=False,
        )

    def read(self) -> str | None:
        """The next message; None for Ctrl-D. Ctrl-C drops the text."""
        while True:
            try:
                return self._session.prompt()
            except EOFError:
                return None
            except KeyboardInterrupt:
                continue


@contextmanager
def without_echo() -> Iterator[None]:
    """No key is echoed into an answer: the `^C` of Ctrl-C would move the lines that are drawn anew."""
    descriptor = sys.stdin.fileno()
    before = termios.tcgetattr(descriptor)
    silent = [*before[:3], before[3] & ~termios.ECHO, *before[4:]]
    termios.tcsetattr(descriptor, termios.TCSANOW, silent)
    try:
        yield
    finally:
        termios.tcsetattr(descriptor, termios.TCSANOW, before)


def history_path() -> Path | None:
    """The file of the history, in `FOREFRONT_HOME` or `~/.forefront`; None for a user without a home directory."""
    try:
        home = Path(os.environ.get("FOREFRONT_HOME") or Path.home() / ".forefront")
    except RuntimeError:
        return None
    return home / "chat_history"


def _bindings() -> KeyBindings:
    bindings = KeyBindings()

    @bindings.add("enter")
    def send(event: KeyPressEvent) -> None:
        event.current_buffer.validate_and_handle()

    @bindings.add("escape", "enter")
    @bindings.add("c-j")
    def new_line(event: KeyPressEvent) -> None:
        event.current_buffer.insert_text("\n")

    return bindings


def _open_history(path: Path | None) -> History:
    """The history in a file that only its owner may read; in memory if the file cannot be used."""
    if path is None:
        return InMemoryHistory()
    with suppress(OSError):
        path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        os.close(os.open(path, os.O_CREAT | os.O_APPEND | os.O_WRONLY, 0o600))
        return FileHistory(str(path))
    return InMemoryHistory()
