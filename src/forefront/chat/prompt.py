"""From messages to prompt tokens, such that no content can pass for a control token."""

import re
from collections.abc import Mapping, Sequence
from typing import Any

from forefront.chat.template import ChatTemplate
from forefront.chat.tokenizer import Tokenizer

# Noncharacters: Unicode sets them aside for use within a program.
_MARKS = [chr(code) for code in range(0xFDD0, 0xFDF0)]


class PromptEncoder:
    """Renders messages with a model's template and encodes the result.

    Where content spells a control token (`<|im_end|>`), the text is cut inside that spelling and its parts are encoded
    by themselves, so the model reads the same characters as plain text. Everything else is encoded in one piece, as it
    was when the model was trained.
    """

    def __init__(self, tokenizer: Tokenizer, template: ChatTemplate) -> None:
        self._tokenizer = tokenizer
        self._template = template
        spellings = sorted((text for text in tokenizer.control if len(text) > 1), key=len, reverse=True)
        # A look-ahead finds overlapping spellings too.
        self._control = re.compile(f"(?=({'|'.join(map(re.escape, spellings))}))") if spellings else None

    def encode(self, messages: Sequence[Mapping[str, Any]]) -> list[int]:
        """The prompt's tokens. Raises `TemplateError` when the template refuses the messages."""
        texts = [value for message in messages for value in message.values() if isinstance(value, str)]
        if self._control is None or not any(self._control.search(text) for text in texts):
            return self._tokenizer.encode(self._template.render(messages))
        mark = next((mark for mark in _MARKS if not any(mark in text for text in texts)), _MARKS[0])
        broken = [{key: self._break(value, mark) for key, value in message.items()} for message in messages]
        parts = self._template.render(broken).split(mark)
        return [token for part in parts for token in self._tokenizer.encode(part)]

    def _break(self, value: Any, mark: str) -> Any:
        """`value` with `mark` after the first character of each control token that it spells."""
        if not isinstance(value, str) or self._control is None:
            return value
        # Should every mark occur in the content, the one that is used is dropped from it.
        value = value.replace(mark, "")
        places = [match.start() + 1 for match in self._control.finditer(value)]
        ends = [*places, len(value)]
        return mark.join(value[start:end] for start, end in zip([0, *places], ends, strict=True))
