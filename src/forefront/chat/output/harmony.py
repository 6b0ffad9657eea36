"""The format of GPT-OSS, harmony: an answer of several messages, each in a channel.

    <|channel|>analysis<|message|>…<|end|><|start|>assistant<|channel|>final<|message|>…

`analysis` is reasoning, `final` the answer, `commentary` an answer before calls, or a call if it goes to a function:
`<|channel|>commentary to=functions.NAME <|constrain|>json<|message|>{…}<|call|>`.
"""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial
from itertools import groupby
from typing import Any, Final, Literal

from forefront.chat.events import AnswerDelta, ContentDelta, ReasoningDelta, ToolCallBegin, ToolInputDelta
from forefront.chat.output.marker_scanner import Take, TextReading, TextScanner, until
from forefront.chat.tools.argument_grammar import json_arguments
from forefront.chat.tools.tool_format import literal
from forefront.wire.completions.tools import Tool

_ENDS: Final = ("<|end|>", "<|return|>", "<|call|>")
_MARKERS: Final = ("<|start|>", "<|channel|>", "<|message|>", "<|constrain|>", *_ENDS)
_CHANNEL: Final = re.compile(r"<\|channel\|>\s*(\w+)")
_RECIPIENT: Final = re.compile(r"\bto=functions\.([^\s<]+)")
# Characters of a message's header at most.
_HEADER: Final = 512

Kind = Literal["reasoning", "content", "call", "argument"]


@dataclass(frozen=True, slots=True)
class HarmonyFormat:
    """`control` are the markers that are control tokens (text → id). `end_tokens` end an answer; `<|end|>` only ends a
    message."""

    control: Mapping[str, int] = field(default_factory=dict)

    @property
    def marker_bytes(self) -> dict[int, bytes]:
        """The text of each control token that the parser needs, by id."""
        return {token: text.encode() for text, token in self.control.items()}

    @property
    def end_tokens(self) -> frozenset[int]:
        """The tokens that end an answer."""
        return frozenset(self.control[text] for text in ("<|return|>", "<|call|>") if text in self.control)

    def grammar(self, tools: Sequence[Tool], answer: str | None, *, forced: bool) -> str:
        """Lark grammar of an answer: reasoning, then a call of one of `tools` or a final message, which is an `answer`
        (a Lark expression) or, without one, any text. A `forced` answer is a call."""
        start, channel, message, end = map(self._marker, ("<|start|>", "<|channel|>", "<|message|>", "<|end|>"))
        again = f'{end} {start} "assistant"'
        calls = [f"call_{place}: {self._call(tool)}" for place, tool in enumerate(tools)]
        last = [f"call_{place}" for place in range(len(tools))]
        if not forced:
            last.append(f'{channel} "final" {message} answer')
        aside = ["analysis"] if forced or answer is not None else ["analysis", "commentary"]
        channels = " | ".join(f'"{name}"' for name in aside)
        rules = [f"thought: {channel} ({channels}) {message} TEXT {again}", f"answer: {answer or 'TEXT'}"]
        if not forced and answer is None:  # it may end anywhere
            last.append(f"{channel} ({channels}) {message} TEXT")
        text = " & ".join([r"/(?s:.*)/", *(f"~/(?s:.*){re.escape(marker)}(?s:.*)/" for marker in _MARKERS)])
        return "\n".join([f"start: thought* ({' | '.join(last)})", *rules, *calls, f"TEXT: {text}"])

    def _call(self, tool: Tool) -> str:
        """Lark expression for a call."""
        channel, constrain, message = map(self._marker, ("<|channel|>", "<|constrain|>", "<|message|>"))
        to = literal(f"commentary to=functions.{tool.function.name} ")
        return f'{channel} {to} {constrain} "json" {message} {json_arguments(tool)}'

    def _marker(self, text: str) -> str:
        return f"<[{self.control[text]}]>" if text in self.control else literal(text)

    @property
    def final(self) -> str:
        """The text before an answer's content."""
        return "<|channel|>final<|message|>"

    @property
    def message_end(self) -> frozenset[int]:
        """The end of a message, even if declared as the end of an answer."""
        return frozenset(self.control[text] for text in ("<|end|>",) if text in self.control)


def find_harmony(template: str, control: Mapping[str, int]) -> HarmonyFormat | None:
    """The format, if the chat template's source uses it."""
    if not all(marker in template for marker in ("<|start|>", "<|channel|>", "<|message|>")):
        return None
    return HarmonyFormat({marker: control[marker] for marker in _MARKERS if marker in control})


class HarmonyParser:
    """The `OutputParser` of choice `index`, whose `prompt` ends before or within a message's header, or in a message;
    calls are those of `tools` (name → JSON schema of the arguments).

    Text without a channel is content, and so is a message to an unknown function, header included. Line breaks stand
    between messages of a kind. The deltas add up to the same result for any split of the text.
    """

    def __init__(self, index: int, prompt: str, tools: Mapping[str, Mapping[str, Any]]) -> None:
        self.reasoning = self.in_content = False
        self._index = index
        self._tools = tools
        self._calls = 0
        self._parts: list[tuple[Kind, int, str]] = []
        self._shown: set[Kind] = set()
        self._gap = ""  # the separator between the next text and the previous message
        self._pending = ""  # the marker that begins the next header
        header, opened, _ = prompt.rpartition("<|start|>")[2].partition("<|message|>")
        self._machine = TextScanner(self._answer(header if opened else None), _MARKERS)
        if opened:
            kind = self._kind(header)[0]
            self.reasoning, self.in_content = kind == "reasoning", kind == "content"

    def feed(self, text: str) -> list[AnswerDelta]:
        """See `OutputParser.feed`."""
        self._machine.feed(text)
        return self._deltas()

    def finish(self) -> list[AnswerDelta]:
        """See `OutputParser.finish`."""
        self._machine.finish()
        return self._deltas()

    def _answer(self, header: str | None) -> TextReading[None]:
        char = yield None
        if header is None and char and char not in "< ":
            header = ""  # it has no header
        while char or self._pending:
            if header is None:
                header, char = yield from self._header(char)
            char = yield from self._message(header, char)
            header = None

    def _header(self, char: str) -> TextReading[tuple[str, str]]:
        """Reads up to `<|message|>`; returns that text and the next character. Other text is content."""
        text, self._pending = self._pending, ""
        while char and len(text) < _HEADER:
            parts: list[str] = []
            found = yield from until(_MARKERS, char, parts.append)
            text += "".join(parts) + found
            if found == "<|message|>":
                self.reasoning = self._kind(text)[0] == "reasoning"
                return text, (yield None)
            char = (yield None) if found in _MARKERS else ""
            if found in _ENDS:
                text = text.removesuffix(found)
                break
        if "<|" not in text or len(text) >= _HEADER:
            self._take("content", text)
        return "", char

    def _message(self, header: str, char: str) -> TextReading[str]:
        """Reads a message up to its end; returns the next character."""
        kind, name = self._kind(header)
        self._gap = "\n\n" if kind in self._shown else ""
        if kind == "call":
            while char.isspace():
                char = yield None
            if char == "{" or not char:
                self._parts.append(("call", self._calls, name))
                self._calls += 1
            else:
                kind = "content"
        if kind == "content" and name:
            self._take("content", header)
        self.in_content = kind == "content"
        take: Take = partial(self._take, "argument" if kind == "call" else kind)
        found = yield from until(_MARKERS, char, take)
        while found in ("<|message|>", "<|constrain|>"):
            take(found)
            found = yield from until(_MARKERS, (yield None), take)
        self.reasoning = self.in_content = False
        if found in ("<|start|>", "<|channel|>"):
            self._pending = found
        elif found not in _MARKERS:
            take(found)
            return ""
        return (yield None)

    def _kind(self, header: str) -> tuple[Kind, str]:
        """The kind of a message, and the function that it addresses."""
        channel = _CHANNEL.search(header)
        recipient = _RECIPIENT.search(header)
        if recipient is not None:
            return ("call" if recipient[1] in self._tools else "content"), recipient[1]
        if channel is not None and channel[1] == "analysis":
            return "reasoning", ""
        return "content", ""

    def _take(self, kind: Kind, text: str) -> None:
        if kind == "argument":
            self._parts.append(("argument", self._calls - 1, text))
        elif text:
            self._parts.append((kind, -1, self._gap + text))
            self._gap = ""
            self._shown.add(kind)

    def _deltas(self) -> list[AnswerDelta]:
        deltas: list[AnswerDelta] = []
        for (kind, call), entries in groupby(self._parts, key=lambda entry: entry[:2]):
            text = "".join(entry[2] for entry in entries)
            match kind:
                case "reasoning":
                    deltas.append(ReasoningDelta(self._index, text))
                case "content":
                    deltas.append(ContentDelta(self._index, text))
                case "call":
                    deltas.append(ToolCallBegin(self._index, call, text))
                case "argument":
                    deltas.append(ToolInputDelta(self._index, call, text))
        self._parts.clear()
        return deltas
