"""Tool descriptions in the prompt, for models without tools in their chat template, such as Gemma 3 and Phi 3.5.

The text describes the tools and the format of calls, which is that of Hermes. How well it is followed depends on the
model, which was not trained for tools.
"""

from collections.abc import Mapping, Sequence
from typing import Any, Final, Literal

from forefront.chat.tools.format_detection import control_markers
from forefront.chat.tools.formats.hermes import HermesFormat
from forefront.chat.tools.tool_format import ToolFormat, compact

_INSTRUCTIONS: Final = """\
You can call functions. Their definitions, in JSON, are:
{definitions}

To call a function, write its name and its arguments as a JSON object between tags, in place of an answer:
<tool_call>
{{"name": "the function's name", "arguments": {{"an argument": "its value"}}}}
</tool_call>
The results follow in the next message. Call functions only where you need their results; else answer as usual."""


def described_format(control: Mapping[str, int]) -> ToolFormat:
    """The format of calls that the text describes. `control` are the tokenizer's control tokens (text → id)."""
    plain = HermesFormat()
    markers = (*plain.openings, *plain.closings)
    return HermesFormat(control=control_markers(control, *markers))


def with_instructions(
    messages: list[dict[str, Any]], definitions: Sequence[Mapping[str, Any]], place: Literal["system", "user"]
) -> list[dict[str, Any]]:
    """The same messages; the first one of the role `place` has the text, or a new one before all others."""
    functions = "\n".join(compact(definition["function"]) for definition in definitions)
    text = _INSTRUCTIONS.format(definitions=functions)
    for index, message in enumerate(messages[:1] if place == "system" else messages):
        if message["role"] == place:
            parts = (message["content"], text) if place == "system" else (text, message["content"])
            content = "\n\n".join(part for part in parts if part)
            return [*messages[:index], message | {"content": content}, *messages[index + 1 :]]
    return [{"role": place, "content": text}, *messages]


def write_result(text: str) -> str:
    """The result of a call within a message of the user."""
    return f"<tool_response>\n{text}\n</tool_response>"
