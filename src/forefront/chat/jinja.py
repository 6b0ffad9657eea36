"""Renders one chat template in a process of its own: what bombs it holds go off here.

    python -m forefront.chat.jinja FD       FD is this process's end of the connection

First comes the template, then conversations, each as JSON; each is answered by `{"text"}` or `{"error"}`.
"""

import json
import sys
import time
from collections.abc import Mapping
from multiprocessing.connection import Connection
from typing import Any

import minijinja

from forefront.chat.child import bound_memory
from forefront.engine.allocator import tune_allocator

# Instructions that one rendering may take: about 0.3 s. A conversation of 4,096 turns needs a tenth of it.
_FUEL = 20_000_000
_MEMORY_LIMIT = 2**30


class JinjaError(Exception):
    """The template cannot be compiled, or refuses a conversation. The text is fit for the client."""


class _RefusedError(Exception):
    """What a template raises of its own accord."""


class Jinja:
    """A compiled template: no Python object can be reached from it. Raises `JinjaError`."""

    def __init__(self, source: str) -> None:
        self._environment = minijinja.Environment(
            trim_blocks=True, lstrip_blocks=True, keep_trailing_newline=True, fuel=_FUEL
        )
        self._environment.auto_escape_callback = _no_escape
        self._environment.add_global("raise_exception", _refuse)
        self._environment.add_global("strftime_now", time.strftime)
        self._environment.add_filter("tojson", _to_json)
        self._environment.remove_global("debug")
        try:
            self._environment.add_template("chat", source)
        except minijinja.TemplateError as error:
            raise JinjaError(f"the chat template cannot be compiled: {error.message}") from None

    def render(self, variables: Mapping[str, Any]) -> str:
        """The prompt."""
        try:
            return self._environment.render_template("chat", **variables)
        except _RefusedError as refusal:
            raise JinjaError(str(refusal)) from None
        except minijinja.TemplateError as error:
            raise JinjaError(error.message or "it failed") from None
        except (TypeError, ValueError):  # a function got what it does not take
            raise JinjaError("it calls a function with a wrong argument") from None


def _no_escape(_name: str) -> bool:
    return False


def _refuse(message: str) -> None:
    raise _RefusedError(message)


def _to_json(value: Any, indent: int | None = None) -> str:
    return json.dumps(value, ensure_ascii=False, indent=indent)


def _serve(connection: Connection) -> None:
    bound_memory(_MEMORY_LIMIT)
    tune_allocator()
    jinja: Jinja | None = None
    while True:
        try:
            wanted = json.loads(connection.recv_bytes())
        except EOFError:  # the server is gone
            return
        try:
            if jinja is None:
                jinja, text = Jinja(wanted), ""
            else:
                text = jinja.render(wanted)
            answer = {"text": text}
        except JinjaError as error:
            answer = {"error": str(error)[:1000]}
        connection.send_bytes(json.dumps(answer).encode())


if __name__ == "__main__":
    _serve(Connection(int(sys.argv[1])))
