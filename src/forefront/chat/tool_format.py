"""How a model writes calls of tools."""

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Literal

Family = Literal["hermes", "llama3", "mistral"]

# A call object as templates spell it, in text of their own or within a Jinja string.
_ARGUMENTS = re.compile(r"""\\?["']arguments\\?["']""")
_PARAMETERS = re.compile(r"""\\?["']parameters\\?["']\s*:""")
# What Llama's templates ask before they refuse a message.
_SINGLE = re.compile(r"tool_calls\s*\|\s*length\s*==\s*1")


@dataclass(frozen=True, slots=True)
class ToolFormat:
    """One of the formats that models are trained on.

    - `hermes` (Qwen too): `<tool_call>⏎{"name": …, "arguments": {…}}⏎</tool_call>`, one such block for each call.
    - `llama3`: `{"name": …, "parameters": {…}}` at the very beginning of the answer, or anywhere behind
      `<|python_tag|>`; further ones behind `;`.
    - `mistral`: `[TOOL_CALLS][{"name": …, "arguments": {…}}, …]`, or, `named`, `[TOOL_CALLS]name[ARGS]{…}`, one such
      for each call.

    `opening` begins calls and `closing` ends them. `control` are those of the markers that are control tokens (text →
    id): the detokenizer has to spell them out, and a grammar has to name their ids. `space` stands between
    `[TOOL_CALLS]` and the list. A template of `single` ones takes no message with more calls than one.
    """

    family: Family
    opening: str
    closing: str = ""
    control: Mapping[str, int] = field(default_factory=dict)
    named: bool = False
    space: str = ""
    single: bool = False

    @property
    def spelled(self) -> dict[int, bytes]:
        """The text of each control token that the parser has to see, by id."""
        return {token: text.encode() for text, token in self.control.items()}


def find_tool_format(template: str, control: Mapping[str, int]) -> ToolFormat | None:
    """The format that the chat template's source speaks; `control` are the tokenizer's control tokens (text → id).

    None for a template without tools, and for one whose calls are of a kind not known here.
    """
    if "[TOOL_CALLS]" in template:
        return ToolFormat(
            "mistral",
            "[TOOL_CALLS]",
            "]",
            _present(control, "[TOOL_CALLS]", "[ARGS]", "[CALL_ID]"),
            named="[ARGS]" in template,
            space=" " if "[TOOL_CALLS] [" in template else "",
        )
    if "<tool_call>" in template and _ARGUMENTS.search(template) and "<arg_key>" not in template:
        return ToolFormat("hermes", "<tool_call>", "</tool_call>", _present(control, "<tool_call>", "</tool_call>"))
    if _PARAMETERS.search(template) and ("<|python_tag|>" in template or "<|python_tag|>" in control):
        single = bool(_SINGLE.search(template))
        return ToolFormat("llama3", "<|python_tag|>", "", _present(control, "<|python_tag|>"), single=single)
    return None


def _present(control: Mapping[str, int], *markers: str) -> dict[str, int]:
    return {marker: control[marker] for marker in markers if marker in control}
