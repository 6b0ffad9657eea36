"""The format of one model: its tool calls and reasoning, and the beginning and end of its text."""

import re
from collections.abc import Mapping, Sequence
from typing import Any

from forefront.chat.end_tokens import find_turn_ends
from forefront.chat.output.choice_decoder import TokenTexts
from forefront.chat.output.harmony import HarmonyFormat, HarmonyParser, find_harmony
from forefront.chat.output.output_parser import MarkupParser, OutputParser
from forefront.chat.output.reasoning import ReasoningParser, find_reasoning_format
from forefront.chat.prompt.chat_template import ChatTemplate
from forefront.chat.prompt.template_messages import TemplateStyle, template_messages, tool_definitions, with_tools
from forefront.chat.prompt.template_roles import TemplateRoles, find_roles, with_roles
from forefront.chat.prompt.template_style import find_described_style, find_template_style
from forefront.chat.prompt.tool_instructions import described_format
from forefront.chat.tools.argument_grammar import parameters_schema
from forefront.chat.tools.custom_calls import CustomCallParser
from forefront.chat.tools.format_detection import find_tool_format
from forefront.chat.tools.tool_format import ToolFormat
from forefront.chat.tools.tool_parser import ToolParser
from forefront.tokenizer.tokenizer import Tokenizer
from forefront.wire.completions.message import Message
from forefront.wire.completions.tools import Tool
from forefront.wire.errors import RequestError

# A test of Granite's and DeepSeek's switch for reasoning; the word alone is in many templates.
_THINKING = re.compile(r"\b(?:if|elif|and|or|not)\s+thinking\b")
_HARMONY_EFFORTS = {"none": "low", "minimal": "low", "xhigh": "high", "max": "high"}


class ModelFormat:
    """The format of one model, found from its chat template and its control tokens.

    `opening` comes before a text that is no conversation. `harmony` is set for a model that answers in channels.
    `plain_texts` are the tokens' texts where no parser follows.
    """

    def __init__(self, template: ChatTemplate | None, tokenizer: Tokenizer) -> None:
        source, control = template.source if template is not None else "", tokenizer.control
        self.harmony: HarmonyFormat | None = find_harmony(source, control)
        self._template = template
        self._tools = None if self.harmony else find_tool_format(source, control)
        self._reasoning = None if self.harmony else find_reasoning_format(source, control)
        self._style, self._roles = TemplateStyle(), TemplateRoles()
        if template is not None:
            self._roles = find_roles(template)
            self._style = find_template_style(template, self._tools, harmony=self.harmony is not None)
            if self.harmony is None and not (self._tools and self._style.takes_tools):
                self._tools = described_format(control)
                self._style = find_described_style(template, self._tools)
        # A vocabulary is too large to be scanned for each request.
        markers = self.harmony or self._reasoning
        names = {token: text for text, token in control.items()}
        pieces = _with_markers(tokenizer.pieces, markers.marker_bytes if markers else {})
        pieces_with_calls = _with_markers(pieces, self._tools.marker_bytes if self._tools else {})
        self.plain_texts = TokenTexts(tokenizer.pieces, names)
        self._texts = TokenTexts(pieces, names)
        self._texts_with_calls = TokenTexts(pieces_with_calls, names)
        # Models whose template begins with it were never trained on text without it.
        adds_bos = tokenizer.add_bos
        if adds_bos is None:
            adds_bos = template is None or template.mentions("bos_token")
        self.opening = tokenizer.bos_token if adds_bos else ""
        self._ends = find_turn_ends(template, control)

    def end_tokens(self, named: frozenset[int]) -> frozenset[int]:
        """The tokens that end an answer; `named` are those that the model's file names."""
        ends = named | self._ends
        return ends if self.harmony is None else (ends | self.harmony.end_tokens) - self.harmony.message_end

    @property
    def tools(self) -> ToolFormat:
        """The model's format of calls. Raises `RequestError` 400 for a model without tool support."""
        self.need_tools()
        assert self._tools is not None
        return self._tools

    def messages(self, messages: Sequence[Message], offered: Sequence[Tool]) -> list[dict[str, Any]]:
        """The messages as the template takes them."""
        plain = with_roles(template_messages(messages, self._style), self._roles)
        return with_tools(plain, offered, self._style) if offered else plain

    def variables(self, effort: str | None, offered: Sequence[Tool]) -> dict[str, Any]:
        """Further variables of the template. Raises `RequestError` 400."""
        variables = self.reasoning_variables(effort) if effort and self.takes_effort(effort) else {}
        if offered:
            self.need_tools()
            variables |= dict.fromkeys(self._style.tool_variables, tool_definitions(offered))
        return variables

    def lead(self, beginning: str) -> str:
        """The model's text before the `beginning` of an answer to continue."""
        return self.harmony.final if self.harmony is not None and beginning else ""

    def need_tools(self) -> None:
        """Raise `RequestError` 400 for a model that cannot use tools."""
        if not (self._tools or self.harmony) or not self._style.takes_tools:
            raise RequestError("unsupported_parameter", "This model has no chat template for tools.", param="tools")

    def takes_effort(self, effort: str) -> bool:
        """Whether `reasoning_effort` has an effect for this model. Raises `RequestError` 400 where reasoning is to be
        left out and cannot be."""
        if self.reasoning_variables(effort):
            return True
        if effort == "none" and self._reasoning is not None:
            text = "This model always reasons before it answers."
            raise RequestError("unsupported_parameter", text, param="reasoning_effort")
        return False

    def reasoning_variables(self, effort: str | None) -> dict[str, Any]:
        """The template's variables for how much to reason; none for a template that has no such variable."""
        if effort is None:
            return {}
        if self.harmony is not None:  # it has three levels, and always reasons
            return {"reasoning_effort": _HARMONY_EFFORTS.get(effort, effort)}
        if self._mentions("reasoning_effort"):
            return {"reasoning_effort": effort}
        if self._mentions("enable_thinking"):
            return {"enable_thinking": effort != "none"}
        if self._template is not None and _THINKING.search(self._template.source):
            return {"thinking": effort != "none"}
        return {}

    def reasoning_ends(self, prompt: str) -> tuple[str, ...]:
        """The markers that end the reasoning at the end of `prompt`; empty without reasoning there."""
        if self._reasoning is None or not self._reasoning.opened(prompt):
            return ()
        return self._reasoning.closings

    def texts(self, offered: Sequence[Tool]) -> TokenTexts:
        """The tokens' texts for a parser: markers that are control tokens have theirs."""
        return self._texts_with_calls if offered else self._texts

    def parser(self, index: int, prompt: str, offered: Sequence[Tool]) -> OutputParser | None:
        """The parser of choice `index` of an answer to `prompt`; None where all of it is content."""
        schemas = {tool.function.name: parameters_schema(tool) for tool in offered}
        custom = frozenset(tool.function.name for tool in offered if tool.type == "custom")
        parser = self._parser(index, prompt, offered, schemas)
        return CustomCallParser(parser, custom) if custom and parser is not None else parser

    def _parser(
        self, index: int, prompt: str, offered: Sequence[Tool], schemas: Mapping[str, Mapping[str, Any]]
    ) -> OutputParser | None:
        if self.harmony is not None:
            return HarmonyParser(index, prompt, schemas)
        reasoning, calls = None, None
        if self._reasoning is not None:
            reasoning = ReasoningParser(self._reasoning, opened=self._reasoning.opened(prompt))
        if offered:
            calls = ToolParser(index, self.tools, schemas)
        return MarkupParser(index, reasoning, calls) if reasoning or calls else None

    def _mentions(self, word: str) -> bool:
        return self._template is not None and self._template.mentions(word)


def _with_markers(pieces: Sequence[bytes], texts: Mapping[int, bytes]) -> Sequence[bytes]:
    """The same pieces, but for the tokens (id → text) in `texts`."""
    return [texts.get(token, piece) for token, piece in enumerate(pieces)] if texts else pieces
