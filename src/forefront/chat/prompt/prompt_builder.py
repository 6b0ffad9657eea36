"""From messages to prompt tokens; content never becomes a control token."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from forefront.chat.prompt.chat_template import ChatTemplate
from forefront.chat.prompt.context_limit import PromptSizeLimit
from forefront.chat.prompt.control_tokens import ControlTokenFinder
from forefront.tokenizer.tokenizer import Tokenizer

# Noncharacters: Unicode sets them aside for use within a program.
_MARKS = [chr(code) for code in range(0xFDD0, 0xFDF0)]


@dataclass(frozen=True, slots=True)
class Prompt:
    """A prompt as text and as tokens."""

    text: str
    tokens: list[int]


class PromptBuilder:
    """Renders messages with a model's template and encodes the result.

    Where content contains the text of a control token (`<|im_end|>`), it is cut inside that text and its parts are
    encoded separately, so the model reads the same characters as plain text. Everything else is encoded in one piece,
    as in training. Texts that `bound` refuses are not encoded.
    """

    def __init__(self, tokenizer: Tokenizer, template: ChatTemplate, bound: PromptSizeLimit | None = None) -> None:
        self._tokenizer = tokenizer
        self._template = template
        self._bound = bound
        self._control = ControlTokenFinder(tokenizer.control)

    def encode(
        self,
        messages: Sequence[Mapping[str, Any]],
        variables: Mapping[str, Any] | None = None,
        beginning: str = "",
        lead: str = "",
    ) -> Prompt:
        """The prompt for an answer that starts with `beginning`, which the model's own `lead` announces.

        The client's texts are in `messages`, `variables` and `beginning`. Raises `TemplateError` when the template
        refuses the messages, and `RequestError` 400 for a prompt that cannot fit into the context.
        """
        written = (messages, variables or {}, beginning)
        if not any(self._control.occurs_in(text) for text in _texts(written)):
            text = self._template.render(messages, variables) + lead + beginning
            self._check(text)
            return Prompt(text, self._tokenizer.encode(text))
        mark = next((mark for mark in _MARKS if not any(mark in text for text in _texts(written))), _MARKS[0])
        messages, variables, beginning = self._break(written, mark)
        marked = self._template.render(messages, variables) + lead + beginning
        text = marked.replace(mark, "")
        self._check(text)
        return Prompt(text, self._tokenizer.encode_parts(marked.split(mark)))

    def _check(self, text: str) -> None:
        if self._bound is not None:
            self._bound.check(text, "messages")

    def _break(self, value: Any, mark: str) -> Any:
        """`value` with `mark` after the first character of each control token's text in it."""
        if isinstance(value, Mapping):
            return {self._break(key, mark): self._break(entry, mark) for key, entry in value.items()}
        if isinstance(value, list | tuple):
            return [self._break(entry, mark) for entry in value]
        if not isinstance(value, str):
            return value
        # If every mark occurs in the content, the used mark is removed from the content.
        value = value.replace(mark, "")
        places = [place + 1 for place in self._control.places(value)]
        ends = [*places, len(value)]
        return mark.join(value[start:end] for start, end in zip([0, *places], ends, strict=True))


def _texts(value: Any) -> Iterator[str]:
    """Every text within `value`, keys included."""
    if isinstance(value, str):
        yield value
    elif isinstance(value, Mapping):
        for key, entry in value.items():
            yield from _texts(key)
            yield from _texts(entry)
    elif isinstance(value, list | tuple):
        for entry in value:
            yield from _texts(entry)
