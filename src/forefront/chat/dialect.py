"""What a model's template and vocabulary are made for: tools, reasoning, how a text begins."""

from collections.abc import Mapping, Sequence
from typing import Any

from forefront.chat.answer import Reader
from forefront.chat.reader import AnswerReader
from forefront.chat.reasoning import ReasoningParser, find_reasoning_format
from forefront.chat.template import ChatTemplate
from forefront.chat.tool_format import ToolFormat, find_tool_format
from forefront.chat.tool_parser import ToolParser
from forefront.tokenizer.tokenizer import Tokenizer
from forefront.wire.errors import ApiError
from forefront.wire.tools import Tool


class Dialect:
    """The manner of one model, found from its chat template and its control tokens.

    `opening` comes before a text that is no conversation.
    """

    def __init__(self, template: ChatTemplate, tokenizer: Tokenizer) -> None:
        self._template = template
        self._tools = find_tool_format(tokenizer.chat_template, tokenizer.control)
        self._reasoning = find_reasoning_format(tokenizer.chat_template, tokenizer.control)
        # A vocabulary is too long to be gone through for each request.
        self._pieces = _spelled(tokenizer.pieces, self._reasoning.spelled if self._reasoning else {})
        self._pieces_with_calls = _spelled(self._pieces, self._tools.spelled if self._tools else {})
        # Models whose template puts it there have never read a text without it.
        adds_bos = template.mentions("bos_token") if tokenizer.add_bos is None else tokenizer.add_bos
        self.opening = tokenizer.bos_token if adds_bos else ""

    @property
    def tools(self) -> ToolFormat:
        """How the model writes calls. Raises `ApiError` 400 for a model that was not made for tools."""
        if self._tools is None or not self._template.mentions("tools"):
            text = "This model cannot use tools: its chat template has no place for them, or one of an unknown kind."
            raise ApiError("unsupported_parameter", text, param="tools")
        return self._tools

    @property
    def calls(self) -> ToolFormat | None:
        """How the template shows calls that were made, where it is known."""
        return self._tools

    def need_tools(self) -> None:
        """Raise `ApiError` 400 for a model that was not made for tools."""
        _ = self.tools

    def reasoning_variables(self, effort: str | None) -> dict[str, Any]:
        """What tells the template how much to think. Raises `ApiError` 400 for a model that cannot be told."""
        if effort is None:
            return {}
        if self._template.mentions("reasoning_effort"):
            return {"reasoning_effort": effort}
        if self._template.mentions("enable_thinking"):
            return {"enable_thinking": effort != "none"}
        if effort == "none" and self._reasoning is None:
            return {}
        text = "This model cannot be told how much to think before it answers."
        raise ApiError("unsupported_parameter", text, param="reasoning_effort")

    def reasoning_end(self, prompt: str) -> str | None:
        """What ends the reasoning within which `prompt` ends; None where it ends within none."""
        if self._reasoning is None or not self._reasoning.opened(prompt):
            return None
        return self._reasoning.closing

    def pieces(self, offered: Sequence[Tool]) -> Sequence[bytes]:
        """The tokens' bytes as an answer is to be read: markers that are control tokens are spelled out."""
        return self._pieces_with_calls if offered else self._pieces

    def reader(self, index: int, prompt: str, offered: Sequence[Tool]) -> Reader | None:
        """What reads choice `index` of an answer to `prompt`; None where all of it is content."""
        thoughts, calls = None, None
        if self._reasoning is not None:
            thoughts = ReasoningParser(self._reasoning, opened=self._reasoning.opened(prompt))
        if offered:
            calls = ToolParser(index, self.tools, {tool.function.name for tool in offered})
        return AnswerReader(index, thoughts, calls) if thoughts or calls else None


def _spelled(pieces: Sequence[bytes], texts: Mapping[int, bytes]) -> Sequence[bytes]:
    """The same pieces, but for the tokens that `texts` spells."""
    return [texts.get(token, piece) for token, piece in enumerate(pieces)] if texts else pieces
