"""The child process of one chat template: renders it, with limits of time, memory and access.

    python -m forefront.chat.prompt.template_worker FD       FD is this process's end of the connection

The first message is the template, each later one the variables of a rendering, all as JSON. Each is answered by
`{"text"}` or `{"error"}`.
"""

import importlib
import json
import resource
import signal
import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from datetime import datetime
from multiprocessing.connection import Connection
from typing import Any, Final, NoReturn

from jinja2 import (
    FunctionLoader,
    TemplateError,
    TemplateNotFound,
    TemplateRuntimeError,
    TemplateSyntaxError,
    nodes,
)
from jinja2.exceptions import SecurityError
from jinja2.ext import Extension, loopcontrols
from jinja2.parser import Parser
from jinja2.sandbox import ImmutableSandboxedEnvironment

from forefront.chat.subprocess_worker import bound_memory
from forefront.engine.free_memory import tune_allocator

# Seconds of CPU time for one rendering. A conversation of 4,096 turns needs about a twentieth.
_CPU_LIMIT: Final = 1.0
_MEMORY_LIMIT: Final = 2**30
_TEXT_LIMIT: Final = 48 * 2**20
# Templates need none of these audit events, which are refused in case Jinja's sandbox can be escaped.
_REFUSED: Final = ("open", "os.", "socket.", "subprocess.", "ctypes.", "shutil.", "tempfile.", "import", "mmap.")
# Modules that Jinja and Python load at their first use.
_LAZY: Final = (
    "_strptime",
    "encodings.unicode_escape",
    "html.entities",
    "jinja2.constants",
    "jinja2.debug",
    "pprint",
    "textwrap",
)


class JinjaError(Exception):
    """The template cannot be compiled, or refuses a conversation. The message is safe to show to the client."""


class _TimeError(Exception):
    """A rendering has used its CPU time."""


class _Generation(Extension):
    """`{% generation %}…{% endgeneration %}` of `transformers` marks text for training. Here it is a plain block."""

    tags = {"generation"}  # noqa: RUF012 - the type that `Extension` has

    def parse(self, parser: Parser) -> nodes.Node:
        line = next(parser.stream).lineno
        body = parser.parse_statements(("name:endgeneration",), drop_needle=True)
        return nodes.Scope(body, lineno=line)


class Jinja:
    """A compiled template, in the environment that `transformers` gives to chat templates. Raises `JinjaError`."""

    def __init__(self, source: str) -> None:
        environment = ImmutableSandboxedEnvironment(
            trim_blocks=True,
            lstrip_blocks=True,
            extensions=[_Generation, loopcontrols],
            loader=FunctionLoader(_no_other),
        )
        environment.filters["tojson"] = _to_json
        environment.globals |= {"raise_exception": _refuse, "strftime_now": _now}
        try:
            self._template = environment.from_string(source)
        except TemplateSyntaxError as error:
            text = f"the chat template cannot be compiled: {error.message} (line {error.lineno})"
            raise JinjaError(text) from None
        except (TemplateError, RecursionError, MemoryError, SyntaxError, ValueError, OverflowError) as error:
            raise JinjaError(f"the chat template cannot be compiled: {_reason(error)}") from None

    def render(self, variables: Mapping[str, Any]) -> str:
        """The prompt."""
        try:
            with _cpu_limit():
                text = self._template.render(variables)
        except _TimeError:
            raise JinjaError(f"it takes longer than {_CPU_LIMIT:.0f} s to render") from None
        except Exception as error:  # templates call methods of Python's types, which raise all kinds
            raise JinjaError(_reason(error)) from None
        if len(text) > _TEXT_LIMIT:
            raise JinjaError("the prompt is too long")
        return text


def _reason(error: Exception) -> str:
    """One sentence about a failure, without anything from inside this process."""
    match error:
        case TemplateNotFound():
            return f"it needs another template, {error.name!r}, which is not there"
        case SecurityError():
            return "it uses something that templates may not use"
        case TemplateError() if error.message:
            return error.message
        case MemoryError():
            return "it takes too much memory"
        case RecursionError():
            return "it nests too deep"
        case TypeError() | ValueError() | KeyError() | IndexError() | AttributeError() | ArithmeticError():
            return "an expression in it fails"
    return "it fails"


def _no_other(_name: str) -> None:
    """Other templates cannot be loaded."""


def _refuse(message: object) -> NoReturn:
    raise TemplateRuntimeError(str(message))


def _now(form: str) -> str:
    return datetime.now().astimezone().strftime(form)


def _to_json(
    value: Any,
    ensure_ascii: bool = False,
    indent: int | str | None = None,
    separators: tuple[str, str] | None = None,
    sort_keys: bool = False,
) -> str:
    return json.dumps(value, ensure_ascii=ensure_ascii, indent=indent, separators=separators, sort_keys=sort_keys)


@contextmanager
def _cpu_limit() -> Iterator[None]:
    """Raise `_TimeError` inside the block when it has used its CPU time."""
    signal.setitimer(signal.ITIMER_VIRTUAL, _CPU_LIMIT)
    try:
        yield
    finally:
        signal.setitimer(signal.ITIMER_VIRTUAL, 0)


def _time_is_over(_number: int, _frame: object) -> NoReturn:
    raise _TimeError


def _confine() -> None:
    """Give up resources that a template does not need: core dumps, most memory, new files, sockets, processes and
    modules."""
    bound_memory(_MEMORY_LIMIT)
    tune_allocator()
    resource.setrlimit(resource.RLIMIT_FSIZE, (0, 0))
    signal.signal(signal.SIGVTALRM, _time_is_over)
    for module in _LAZY:
        importlib.import_module(module)
    _now("%c")  # reads the time zone
    sys.addaudithook(_audit)


def _audit(event: str, _arguments: object) -> None:
    if event.startswith(_REFUSED):
        raise PermissionError(event)


def _serve(connection: Connection) -> None:
    _confine()
    jinja: Jinja | None = None
    while True:
        try:
            wanted = json.loads(connection.recv_bytes())
        except EOFError:  # the server has ended
            return
        try:
            if jinja is None:
                jinja, text = Jinja(wanted), ""
            else:
                text = jinja.render(wanted)
            answer = {"text": text}
        except JinjaError as error:
            answer = {"error": " ".join(str(error).split())[:1000]}
        connection.send_bytes(json.dumps(answer).encode())


if __name__ == "__main__":
    _serve(Connection(int(sys.argv[1])))
