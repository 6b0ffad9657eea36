"""The control tokens of a vocabulary, and those among them that end an answer."""

from collections.abc import Iterable, Mapping
from typing import Final

# Converters often omit the types and ids of these tokens. The names are those of llama.cpp.
_TURN_ENDS: Final = (
    *("<|eot_id|>", "<|im_end|>", "<|end|>", "<|return|>", "<|call|>", "<|flush|>", "<|calls|>", "<end_of_turn>"),
    *("<|eom_id|>", "<EOT>", "_<EOT>", "[EOT]", "<end_of_utterance>", "<turn|>", "<|tool_response>", "[e~["),
)
_TEXT_ENDS: Final = ("<|endoftext|>", "</s>", "[EOS]", "<|end_of_text|>", "<eos>", "<｜end▁of▁sentence｜>")
# Tokens with which other families end a turn or a call.
_OTHER_ENDS: Final = (
    *("<|eot|>", "<|eom|>", "<|END_OF_TURN_TOKEN|>", "[|endofturn|]", "<|endofturn|>", "<|end_of_sentence|>"),
    *("<start_function_response>", "<|observation|>"),
)
# The last token of a file or a repository in models for code completion.
_FILE_ENDS: Final = (
    *("<|fim_pad|>", "<fim-pad>", "<fim_pad>", "<PAD>", "[PAD]"),
    *("<|fim_repo|>", "<|repo_name|>", "<fim-repo>", "<REPO>", "<reponame>", "<|file_sep|>"),
)
_CONTROL: Final = (
    *("<|fim_prefix|>", "<fim-prefix>", "<fim_prefix>", "<｜fim▁begin｜>", "<PRE>", "▁<PRE>", "<|code_prefix|>"),
    *("<|prefix|>", "<|fim_suffix|>", "<fim-suffix>", "<fim_suffix>", "<｜fim▁hole｜>", "<SUF>", "▁<SUF>"),
    *("<|code_suffix|>", "<|suffix|>", "<|fim_middle|>", "<fim-middle>", "<fim_middle>", "<｜fim▁end｜>", "<MID>"),
    *("▁<MID>", "<|code_middle|>", "<|middle|>"),
    *("<|channel|>", "<|message|>", "<|start|>", "<|constrain|>"),
)


def control_tokens(ids: Mapping[str, int], declared: Iterable[int]) -> set[int]:
    """`declared`, and tokens that are known to be control tokens by their text (text → id)."""
    known = _known(ids, (*_TURN_ENDS, *_TEXT_ENDS, *_FILE_ENDS, *_CONTROL))
    return (known | set(declared)) - text_tokens(ids)


def text_tokens(ids: Mapping[str, int]) -> set[int]:
    """Tokens that are text although they look like control tokens: in Gemma 4, `</s>` is HTML."""
    return {ids["</s>"]} if {"</s>", "<|tool_response>"} <= ids.keys() else set()


def end_tokens(ids: Mapping[str, int], declared: Iterable[int], used: Iterable[int]) -> frozenset[int]:
    """`declared`, and tokens that are known to end an answer by their text (text → id).

    The end of a text counts where the model has no ends of turns, or is `used` by the file for something, such as
    padding: many vocabularies have such a token without training on it.
    """
    turns = _known(ids, _TURN_ENDS)
    texts = _known(ids, _TEXT_ENDS) - text_tokens(ids)
    ends = turns | _known(ids, _FILE_ENDS) | (texts & set(used) if turns else texts)
    # Here `<|end|>` ends a message, of which an answer has several.
    if {"<|return|>", "<|call|>"} <= ids.keys() or (ids.keys() & {"<|call|>", "<|calls|>"} and "<|flush|>" in ids):
        ends.discard(ids.get("<|end|>", -1))
    return frozenset(ends | set(declared))


def known_end_tokens(control: Mapping[str, int]) -> set[int]:
    """The control tokens (text → id) whose text ends a turn or a text in a known family."""
    endings = ("<|end_of_text|>", "<|endoftext|>", "<｜end▁of▁sentence｜>")
    return _known(control, (*_TURN_ENDS, *_OTHER_ENDS, *endings))


def _known(ids: Mapping[str, int], texts: Iterable[str]) -> set[int]:
    return {ids[text] for text in texts if text in ids}
