"""Fields of other engines' APIs (vLLM, SGLang, llama.cpp, Ollama, TGI), rewritten as fields of this API where the
meaning is the same. `unknown_fields` handles all others: refused by name, or ignored as hints.
"""

from typing import Final

from forefront.wire.completions.format_aliases import FORMAT_ALIASES, rewrite_format
from forefront.wire.completions.reasoning_aliases import REASONING_ALIASES, rewrite_reasoning
from forefront.wire.errors import RequestError
from forefront.wire.parsing.value_checks import Fields, check_boolean, check_type, put_field, same_value

# Another name → our field: the published documentation's misspelling, and the newer name of OpenAI's API.
ALIASES: Final = {"temeperature": "temperature", "max_completion_tokens": "max_tokens"}
_ENGINE_ALIASES: Final = {
    "max_new_tokens": "max_tokens",
    "max_output_tokens": "max_tokens",
    "max_tokens_to_sample": "max_tokens",
    "n_predict": "max_tokens",
    "num_predict": "max_tokens",
    "min_new_tokens": "min_tokens",
    "repeat_penalty": "repetition_penalty",
    "stop_sequences": "stop",
    "random_seed": "seed",
    "num_return_sequences": "n",
}
# No limit, as at llama.cpp and LM Studio, under every name of `max_tokens`.
_NO_LIMIT: Final = -1
_OLLAMA_NO_LIMIT: Final = -2
_REWRITTEN: Final = frozenset(
    {
        *ALIASES,
        *_ENGINE_ALIASES,
        *FORMAT_ALIASES,
        *REASONING_ALIASES,
        "options",
        "do_sample",
        "best_of",
        "response_format",
        "grammar",
        "add_generation_prompt",
    }
)


def rewrite(fields: Fields, *, chat: bool) -> Fields:
    """The request, without null fields, in our own fields. Raises `RequestError` 422 for a value of the wrong type, and
    for two fields that mean the same and disagree."""
    if _REWRITTEN.isdisjoint(fields):
        return _without_no_limit(fields) if chat else fields
    fields = _spread_options(fields)
    if chat and same_value(fields.get("num_predict"), _OLLAMA_NO_LIMIT):
        fields["num_predict"] = _NO_LIMIT
    for alias, name in (ALIASES | _ENGINE_ALIASES).items():
        if alias in fields:
            put_field(fields, name, fields.pop(alias), alias)
    if chat:
        fields = _without_no_limit(fields)
    rewrite_format(fields)
    if chat:
        rewrite_reasoning(fields)
        _rewrite_continuation(fields)
    # `best_of` equal to `n` has no effect.
    if same_value(fields.get("best_of"), fields.get("n", 1)):
        del fields["best_of"]
    if "do_sample" in fields and check_boolean(fields.pop("do_sample"), "do_sample") is False:
        put_field(fields, "temperature", 0, "do_sample")
    return fields


def _without_no_limit(fields: Fields) -> Fields:
    if same_value(fields.get("max_tokens"), _NO_LIMIT):
        return {name: value for name, value in fields.items() if name != "max_tokens"}
    return fields


def _spread_options(fields: Fields) -> Fields:
    """The sampling values of Ollama's `options` beside the other fields."""
    options = fields.get("options")
    if options is None:
        return fields
    check_type(options, dict, "an object", "options")
    spread = {name: value for name, value in fields.items() if name != "options"}
    for name, value in options.items():
        if name in ("model", "messages", "prompt", "options"):
            raise RequestError("unknown_parameter", f"`options.{name}` is not a parameter.", param=f"options.{name}")
        if value is not None:
            put_field(spread, name, value, f"options.{name}")
    return spread


def _rewrite_continuation(fields: Fields) -> None:
    """vLLM continues a last message of the assistant only with both of these fields. Here it is always continued."""
    if fields.get("add_generation_prompt") is not False or fields.get("continue_final_message") is not True:
        return
    messages = fields.get("messages")
    last = messages[-1] if isinstance(messages, list) and messages else None
    if isinstance(last, dict) and last.get("role") == "assistant" and not last.get("tool_calls"):
        del fields["add_generation_prompt"]
