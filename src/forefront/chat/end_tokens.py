"""The tokens that end an answer, beyond those that a model's file names."""

from collections.abc import Mapping
from typing import Final

from forefront.chat.prompt.chat_template import ChatTemplate, TemplateError
from forefront.tokenizer.vocabulary.special_tokens import known_end_tokens

_PROBE: Final = "probe-of-the-end"


def find_turn_ends(template: ChatTemplate | None, control: Mapping[str, int]) -> frozenset[int]:
    """The control tokens (text → id) that end a turn: those with a known text, and the token that the template writes
    after an answer."""
    found = known_end_tokens(control)
    if template is not None:
        after = _behind_answer(template)
        longest = max((text for text in control if text and after.startswith(text)), key=len, default=None)
        if longest is not None:
            found.add(control[longest])
    return frozenset(found)


def _behind_answer(template: ChatTemplate) -> str:
    """The template's text between an answer and the next question."""
    question = {"role": "user", "content": "?"}
    try:
        text = template.render([question, {"role": "assistant", "content": _PROBE}, question])
    except TemplateError:
        return ""
    return text.partition(_PROBE)[2].lstrip()
