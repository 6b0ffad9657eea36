"""The model's own chat template, rendered within bounds of time and memory, in a child process."""

import re
import subprocess
import weakref
from collections.abc import Mapping, Sequence
from multiprocessing.connection import Connection
from typing import Any, Final

import msgspec

from forefront.chat.subprocess_worker import start_child

TIME_LIMIT: Final = 2.0
_START_LIMIT = 30.0
_MAX_ANSWER = 64 * 2**20


class TemplateError(Exception):
    """The template refuses these messages, or cannot be rendered. The message is safe to show to the client."""


class ChatTemplate:
    """A Jinja template that turns messages into a prompt. Thread-safe.

    A template comes with a model's file, so it is untrusted: it may take all memory or never end, and cannot be
    interrupted. Child processes (`template_worker.py`) render it, one rendering each; one that exceeds its limits does
    not affect the others. Raises `TemplateError` at construction for a template that cannot be compiled.
    """

    def __init__(self, source: str, *, bos_token: str = "", eos_token: str = "") -> None:
        self.source = source
        self._variables = {"bos_token": bos_token, "eos_token": eos_token, "add_generation_prompt": True}
        self._words = frozenset(re.findall(r"\w+", source))
        self._idle = [self._start()]

    def mentions(self, word: str) -> bool:
        """Whether the template's source has the word: a variable that is not in it has no effect."""
        return word in self._words

    def render(self, messages: Sequence[Mapping[str, Any]], variables: Mapping[str, Any] | None = None) -> str:
        """The prompt for an answer to `messages`, each with `role` and `content`. `variables` are further ones of the
        template, such as `tools`."""
        message = {"messages": messages, "tools": None} | self._variables | dict(variables or {})
        try:
            child = self._idle.pop()
        except IndexError:  # all of them are rendering
            child = self._start()
        try:
            return child.request(message, TIME_LIMIT)
        except _EndedError as ended:
            raise TemplateError(str(ended)) from None
        finally:
            if child.alive:
                self._idle.append(child)

    def _start(self) -> "_Child":
        """A child that has compiled the template."""
        child = _Child()
        try:
            child.request(self.source, _START_LIMIT)
        except _EndedError as ended:
            raise TemplateError(str(ended)) from None
        return child


class _EndedError(Exception):
    """The child process has ended; the text has the reason."""


class _Child:
    """A child process; it ends with this object."""

    def __init__(self) -> None:
        process, self._connection = start_child("forefront.chat.prompt.template_worker")
        self._end = weakref.finalize(self, _end, process, self._connection)

    @property
    def alive(self) -> bool:
        """Whether it can be used again."""
        return self._end.alive

    def request(self, message: Any, seconds: float) -> str:
        """The answer to a message, within `seconds`. Raises `TemplateError`, and `_EndedError` if the process ends."""
        try:
            content = msgspec.json.encode(message)
        except RecursionError:
            raise TemplateError("it nests too deep") from None
        try:
            self._connection.send_bytes(content)
            if not self._connection.poll(seconds):
                self._end()
                raise _EndedError(f"it takes longer than {seconds:.0f} seconds to render")
            answer = msgspec.json.decode(self._connection.recv_bytes(_MAX_ANSWER), type=dict[str, str])
        except (EOFError, OSError):
            self._end()
            raise _EndedError("it takes too much memory") from None
        if "error" in answer:
            raise TemplateError(answer["error"])
        return answer["text"]


def _end(process: subprocess.Popen[bytes], connection: Connection) -> None:
    connection.close()
    process.kill()
    process.wait()
