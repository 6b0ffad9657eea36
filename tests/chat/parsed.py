"""The joined output of a parser, for tests that cut a text at any position."""

from collections.abc import Iterable, Sequence

from forefront.chat.events import ContentDelta, ReasoningDelta, ToolCallBegin, ToolInputDelta
from forefront.chat.output.output_parser import OutputParser
from forefront.chat.tools.formats.hermes import HermesFormat
from forefront.chat.tools.formats.llama import LlamaFormat
from forefront.chat.tools.formats.named import MistralFormat
from forefront.chat.tools.tool_format import ToolFormat
from forefront.chat.tools.tool_parser import ToolParser

NAMES = ("get_weather", "f", "a.b-C_9")

HERMES = HermesFormat()
LLAMA3 = LlamaFormat()
MISTRAL = MistralFormat(named=False)
MISTRAL_NAMED = MistralFormat()
FORMATS = (HERMES, LLAMA3, MISTRAL, MISTRAL_NAMED)

Entry = tuple[str, int, str]


def parsed(reader: OutputParser, pieces: Iterable[str]) -> list[Entry]:
    """(kind, call, text) in the order of the answer, neighbours of a kind as one."""
    entries: list[Entry] = []
    for deltas in [*map(reader.feed, pieces), reader.finish()]:
        for delta in deltas:
            match delta:
                case ContentDelta(_, text, None):
                    entry = ("content", -1, text)
                case ReasoningDelta(_, text):
                    entry = ("reasoning", -1, text)
                case ToolCallBegin(_, call, name):
                    entry = ("begin", call, name)
                case ToolInputDelta(_, call, text):
                    entry = ("arguments", call, text)
                case _:
                    raise AssertionError(delta)
            if entries and entries[-1][:2] == entry[:2]:
                entry = (*entry[:2], entries.pop()[2] + entry[2])
            entries.append(entry)
    return entries


def cut(text: str, places: Sequence[int]) -> list[str]:
    """`text` in pieces, cut at `places` (of which those outside are of no effect)."""
    ends = sorted({min(place, len(text)) for place in places} | {len(text)})
    return [text[start:end] for start, end in zip([0, *ends], ends, strict=False)]


class Plain(ToolParser):
    """A tool parser as an `OutputParser`: nothing in its answers is reasoning."""

    reasoning = False


def read(form: ToolFormat, text: str, places: Sequence[int] = ()) -> list[Entry]:
    """The events of the parser for `text`."""
    return parsed(Plain(0, form, {name: {} for name in NAMES}), cut(text, places))


def content(entries: list[Entry]) -> str:
    """The content alone."""
    return "".join(text for kind, _, text in entries if kind == "content")


def calls(entries: list[Entry]) -> list[tuple[str, str]]:
    """Name and arguments of each call."""
    found: list[tuple[str, str]] = []
    for kind, call, text in entries:
        if kind == "begin":
            assert call == len(found)
            found.append((text, ""))
        elif kind == "arguments":
            name, arguments = found[call]
            found[call] = (name, arguments + text)
    return found
