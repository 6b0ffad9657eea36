"""The model's own chat template, rendered within bounds."""

import json
import re
import time
from collections.abc import Mapping, Sequence
from typing import Any

import minijinja

# Instructions that one rendering may take: about 0.3 s. A conversation of 4,096 turns needs a tenth of it.
_FUEL = 20_000_000


class TemplateError(Exception):
    """The template refuses these messages, or cannot be rendered. The text is fit for the client."""


class _RefusedError(Exception):
    """What a template raises of its own accord."""


class ChatTemplate:
    """A Jinja template that turns messages into a prompt. Thread-safe.

    Rendered by minijinja: no Python object can be reached from the template, and `_FUEL` ends one that does not.
    Raises `TemplateError` at construction for a template that cannot be compiled.
    """

    def __init__(self, source: str, *, bos_token: str = "", eos_token: str = "") -> None:
        self._environment = minijinja.Environment(
            trim_blocks=True, lstrip_blocks=True, keep_trailing_newline=True, fuel=_FUEL
        )
        self._environment.auto_escape_callback = _no_escape
        self._environment.add_global("raise_exception", _refuse)
        self._environment.add_global("strftime_now", time.strftime)
        self._environment.add_filter("tojson", _to_json)
        self._variables = {"bos_token": bos_token, "eos_token": eos_token, "add_generation_prompt": True}
        self._words = frozenset(re.findall(r"\w+", source))
        try:
            self._environment.add_template("chat", source)
        except minijinja.TemplateError as error:
            raise TemplateError(f"the chat template cannot be compiled: {error.message}") from None

    def mentions(self, word: str) -> bool:
        """Whether the template's source has the word: a variable that it does not name has no effect."""
        return word in self._words

    def render(self, messages: Sequence[Mapping[str, Any]], variables: Mapping[str, Any] | None = None) -> str:
        """The prompt for an answer to `messages`, each with `role` and `content`. `variables` are what else the
        template may look at, such as `tools`."""
        try:
            return self._environment.render_template(
                "chat", messages=messages, **({"tools": None} | self._variables | dict(variables or {}))
            )
        except _RefusedError as refusal:
            raise TemplateError(str(refusal)) from None
        except minijinja.TemplateError as error:
            raise TemplateError(error.message or "it failed") from None


def _no_escape(_name: str) -> bool:
    return False


def _refuse(message: str) -> None:
    raise _RefusedError(message)


def _to_json(value: Any, indent: int | None = None) -> str:
    return json.dumps(value, ensure_ascii=False, indent=indent)
