"""What a model's template and vocabulary are made for: tools, reasoning, how a text begins."""

from collections.abc import Sequence
from typing import Any

from forefront.chat.answer import Reader
from forefront.chat.template import ChatTemplate
from forefront.chat.tokenizer import Tokenizer
from forefront.wire.errors import ApiError
from forefront.wire.tools import Tool


class Dialect:
    """The manner of one model, found from its chat template and its control tokens."""

    def __init__(self, template: ChatTemplate, tokenizer: Tokenizer) -> None:
        self._template = template
        # Models whose template puts it there have never read a text without it.
        self.opening = tokenizer.bos_token if template.mentions("bos_token") else ""

    def need_tools(self) -> None:
        """Raise `ApiError` 400 for a model that was not made for tools."""
        if not self._template.mentions("tools"):
            text = "This model cannot use tools: its chat template has no place for them."
            raise ApiError("unsupported_parameter", text, param="tools")

    def reasoning_variables(self, effort: str | None) -> dict[str, Any]:
        """What tells the template how much to think. Raises `ApiError` 400 for a model that cannot be told."""
        if effort is None:
            return {}
        if self._template.mentions("reasoning_effort"):
            return {"reasoning_effort": effort}
        if self._template.mentions("enable_thinking"):
            return {"enable_thinking": effort != "none"}
        if effort == "none":
            return {}
        text = "This model does not think before it answers, so it cannot be told how much to."
        raise ApiError("unsupported_parameter", text, param="reasoning_effort")

    def spelled(self, tokenizer: Tokenizer) -> Sequence[bytes]:
        """The tokens' bytes as an answer is to be read."""
        return tokenizer.pieces

    def reader(self, prompt: str, tools: Sequence[Tool]) -> Reader | None:
        """What reads an answer to `prompt`."""
        return None
