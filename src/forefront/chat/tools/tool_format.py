"""The interface of tool-call formats: one class per format."""

import json
from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, ClassVar

from forefront.chat.output.marker_scanner import TextReading
from forefront.chat.tools.json_call_parser import JsonCallParser
from forefront.wire.completions.tools import Tool

# Name and arguments of a call.
PastCall = tuple[str, Mapping[str, Any]]


class LarkRules:
    """The unnamed rules of a Lark grammar. Equal rules are shared."""

    def __init__(self) -> None:
        self.left_out: list[str] = []  # paths of keywords of schemas that the rules do not enforce
        self._names: dict[str, str] = {}
        self._choices: dict[str, list[str]] = {}

    @property
    def lines(self) -> list[str]:
        """The rules as Lark has them."""
        choices = [f"{name}: {' | '.join(expressions)}" for name, expressions in self._choices.items()]
        return choices + [f"{name}: {expression}" for expression, name in self._names.items()]

    def choice(self, name: str, expression: str) -> None:
        """One more expression that the rule `name` may be."""
        self._choices.setdefault(name, []).append(expression)

    def rule(self, expression: str) -> str:
        """The name of a rule."""
        return self._names.setdefault(expression, f"part_{len(self._names)}")

    def terminal(self, expression: str) -> str:
        """The name of a terminal: regular expressions that have to match together."""
        return self._names.setdefault(expression, f"TEXT_{len(self._names)}")


@dataclass(frozen=True, slots=True, kw_only=True)
class ToolFormat(ABC):
    """A format of calls: how to read it, how to write it, and what grammar it has.

    Each of `openings` begins a run of calls; the first one is what a grammar writes. `closings` are dropped directly
    after a call. `control` are the markers that are control tokens (text → id): the detokenizer writes their texts, and
    a grammar refers to their ids.
    """

    openings: tuple[str, ...]
    closings: tuple[str, ...] = ()
    control: Mapping[str, int] = field(default_factory=dict)

    # The beginning of a call without a marker, at the start of an answer.
    bare: ClassVar[str] = ""
    # Characters after a call that announce the next one of the same run.
    more: ClassVar[str] = ""

    @property
    def marker_bytes(self) -> dict[int, bytes]:
        """The text of each control token that the parser needs, by id."""
        return {token: text.encode() for text, token in self.control.items()}

    @abstractmethod
    def read(self, reader: JsonCallParser, marker: str, char: str) -> TextReading[str]:
        """Reads one call from `char` on; returns the first character after it.

        `marker` is the opening before the run's first call, "" for a bare call and for the later ones. Raises
        `NotACallError`.
        """

    @abstractmethod
    def write(self, calls: Sequence[PastCall]) -> str:
        """The calls as the model writes them."""

    @abstractmethod
    def rule(self, tool: Tool, rules: LarkRules) -> str:
        """Lark expression for one call of `tool`. Adds further rules to `rules`."""

    @abstractmethod
    def block(self, *, parallel: bool) -> str:
        """Lark expression for what follows the opening: one call (rule `tool`) or several."""

    def between(self) -> str | None:
        """Lark expression for the text between two blocks; None where a second block cannot follow."""
        return None

    def lead(self) -> str:
        """Lark expression for the opening of a forced call."""
        return self.marker(self.openings[0])

    def free_text(self, tools: Sequence[Tool]) -> str | None:
        """Regular expressions of text that is no call, where calls need no marker; None where they need one."""
        return None

    def marker(self, text: str) -> str:
        """Lark expression for a marker, or for text that holds control tokens."""
        for marker, token in self.control.items():
            before, found, after = text.partition(marker)
            if found:
                parts = (self.marker(before) if before else "", f"<[{token}]>", self.marker(after) if after else "")
                return " ".join(part for part in parts if part)
        return literal(text)


def literal(text: str) -> str:
    """Lark expression for exactly this text."""
    return json.dumps(text)


def compact(value: Any) -> str:
    """JSON in the style of training data."""
    return json.dumps(value, ensure_ascii=False)
