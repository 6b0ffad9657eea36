"""The tokens that end an answer, beyond those that a model's file names."""

from collections.abc import Mapping
from typing import Final

from forefront.chat.prompt.chat_template import ChatTemplate, TemplateError

# How the families end a turn, or a turn that is a call.
_KNOWN: Final = (
    "<|im_end|>",
    "<|eot_id|>",
    "<|eom_id|>",
    "<|eot|>",
    "<|eom|>",
    "<end_of_turn>",
    "<turn|>",
    "<|end|>",
    "<|END_OF_TURN_TOKEN|>",
    "[|endofturn|]",
    "<|endofturn|>",
    "<|end_of_text|>",
    "<|endoftext|>",
    "<|end_of_sentence|>",
    "<｜end▁of▁sentence｜>",
    "<end_of_utterance>",
    "<start_function_response>",
    "<|tool_response>",
    "<|observation|>",
)
_PROBE: Final = "probe-of-the-end"


def find_end_tokens(template: ChatTemplate | None, control: Mapping[str, int]) -> frozenset[int]:
    """The control tokens (text → id) with which the model's family ends a turn: those of a known name, and the one that
    the template writes behind an answer."""
    found = {control[text] for text in _KNOWN if text in control}
    if template is not None:
        behind = _behind_answer(template)
        longest = max((text for text in control if text and behind.startswith(text)), key=len, default=None)
        if longest is not None:
            found.add(control[longest])
    return frozenset(found)


def _behind_answer(template: ChatTemplate) -> str:
    """What the template writes behind an answer that another question follows."""
    question = {"role": "user", "content": "?"}
    try:
        text = template.render([question, {"role": "assistant", "content": _PROBE}, question])
    except TemplateError:
        return ""
    return text.partition(_PROBE)[2].lstrip()
