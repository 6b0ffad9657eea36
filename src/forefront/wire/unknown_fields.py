"""Fields that no struct has: let through by name, refused, or taken for a misspelling."""

import re
from dataclasses import dataclass, field
from functools import cache
from typing import Any, Final, get_args, get_origin

import msgspec

from forefront.wire.errors import ApiError
from forefront.wire.message import Message
from forefront.wire.near_names import NearNames
from forefront.wire.other_engines import same
from forefront.wire.request import ChatRequest, CompletionRequest
from forefront.wire.tools import FunctionCall, ToolCall

# Names, not occurrences: a long history may repeat a field of other clients thousands of times.
_MAX_UNKNOWN: Final = 64
_INDEX: Final = re.compile(r"\[\d+\]")


@dataclass(frozen=True, slots=True)
class Refusal:
    """A field that would change the answer, so that it cannot be ignored. Its `harmless` values change nothing and are
    let through in silence."""

    why: str
    harmless: tuple[Any, ...] = ()


_NO_SAMPLER: Final = "this sampler does not exist here"
_NO_SEARCH: Final = "tokens are sampled, not searched for"
_TEMPLATE: Final = "the server's own chat template is used"
# Fields of the OpenAI API.
_OF_BOTH: Final = {"store": Refusal("nothing is stored here", (False,))}
_OF_CHAT: Final = {
    "audio": Refusal("the models here write text alone"),
    "modalities": Refusal("the models here write text alone", (["text"],)),
    "web_search_options": Refusal("nothing is searched here"),
}
_OF_TEXT: Final = {
    "suffix": Refusal("the models here write on, not in between", ("",)),
    "best_of": Refusal("every choice is returned; use `n`", (1,)),
}
REFUSED: Final[dict[type, dict[str, Refusal]]] = {
    ChatRequest: _OF_BOTH | _OF_CHAT,
    CompletionRequest: _OF_BOTH | _OF_TEXT,
    Message: {"audio": Refusal("the models here read text alone")},
}
# Fields of other engines.
_ENGINES: Final = {
    # Samplers of llama.cpp, Ollama, SGLang and others, with the values that switch them off.
    "typical_p": Refusal(_NO_SAMPLER, (0, 1)),
    "typ_p": Refusal(_NO_SAMPLER, (0, 1)),
    "tfs_z": Refusal(_NO_SAMPLER, (0, 1)),
    "tfs": Refusal(_NO_SAMPLER, (0, 1)),
    "top_a": Refusal(_NO_SAMPLER, (0,)),
    "top_n_sigma": Refusal(_NO_SAMPLER, (-1, 0)),
    "epsilon_cutoff": Refusal(_NO_SAMPLER, (0,)),
    "eta_cutoff": Refusal(_NO_SAMPLER, (0,)),
    "mirostat": Refusal(_NO_SAMPLER, (0,)),
    "mirostat_mode": Refusal(_NO_SAMPLER, (0,)),
    "dry_multiplier": Refusal(_NO_SAMPLER, (0,)),
    "xtc_probability": Refusal(_NO_SAMPLER, (0,)),
    "dynatemp_range": Refusal(_NO_SAMPLER, (0,)),
    "dynamic_temperature": Refusal(_NO_SAMPLER, (False,)),
    "smoothing_factor": Refusal(_NO_SAMPLER, (0,)),
    "adaptive_target": Refusal(_NO_SAMPLER, (-1, 0)),
    "samplers": Refusal("the order of samplers is fixed", ([],)),
    "sampler_seq": Refusal("the order of samplers is fixed", ([], "")),
    "min_keep": Refusal(_NO_SAMPLER, (0, 1)),
    "encoder_repetition_penalty": Refusal(_NO_SAMPLER, (1,)),
    "no_repeat_ngram_size": Refusal(_NO_SAMPLER, (0,)),
    "penalty_alpha": Refusal(_NO_SAMPLER, (0,)),
    "guidance_scale": Refusal(_NO_SAMPLER, (1,)),
    "use_beam_search": Refusal(_NO_SEARCH, (False,)),
    "num_beams": Refusal(_NO_SEARCH, (0, 1)),
    "beam_width": Refusal(_NO_SEARCH, (0, 1)),
    "length_penalty": Refusal(_NO_SEARCH, (0, 1)),
    "early_stopping": Refusal(_NO_SEARCH, (False,)),
    "best_of": Refusal("every choice is returned; use `n`", (1,)),
    "watermark": Refusal("nothing is marked here", (False,)),
    # What ends, binds or cuts the answer or the prompt.
    "stop_regex": Refusal("use `stop` or `regex`", ("", [])),
    "no_stop_trim": Refusal("the answer ends before a stop string", (False,)),
    "include_stop_str_in_output": Refusal("the answer ends before a stop string", (False,)),
    "stop_at_line_break": Refusal("use `stop`", (False,)),
    "bad_words": Refusal("use `logit_bias`", ([],)),
    "bad_words_ids": Refusal("use `logit_bias`", ([],)),
    "banned_tokens": Refusal("use `logit_bias`", ([], "")),
    "allowed_token_ids": Refusal("use `logit_bias` or `grammar`", ()),
    "custom_token_bans": Refusal("use `logit_bias`", ("", [])),
    "logits_processors": Refusal("no code of a client runs here", ([],)),
    "custom_logit_processor": Refusal("no code of a client runs here", ()),
    "custom_params": Refusal("no code of a client runs here", ({},)),
    "guided_whitespace_pattern": Refusal("white space in JSON is that of `json.dumps`", ()),
    "grammar_lazy": Refusal("a grammar binds the whole answer", (False,)),
    "grammar_triggers": Refusal("a grammar binds the whole answer", ([],)),
    "structural_tag": Refusal("use `tools` or `grammar`", ()),
    "truncate_prompt_tokens": Refusal("a prompt is never cut", ()),
    "truncation": Refusal("a prompt is never cut", ("disabled",)),
    "truncate": Refusal("a prompt is never cut", ()),
    "context_shift": Refusal("a prompt is never cut", (False,)),
    "t_max_predict_ms": Refusal("use `deadline_ms`", (-1, 0)),
    "t_max_prompt_ms": Refusal("use `deadline_ms`", (-1, 0)),
    "skip_special_tokens": Refusal("control tokens are not part of the text", (True,)),
    "spaces_between_special_tokens": Refusal("control tokens are not part of the text", (True, False)),
    # Other outputs than are made here.
    "prompt_logprobs": Refusal("use `POST /v1/completions` with `echo` and `logprobs`", (0, -1)),
    "return_logprob": Refusal("use `logprobs`", (False,)),
    "n_probs": Refusal("use `logprobs`", (0,)),
    "post_sampling_probs": Refusal("log-probabilities are the model's own", (False,)),
    "return_tokens_as_token_ids": Refusal("tokens are named by their text", (False,)),
    "return_token_ids": Refusal("tokens are named by their text", (False,)),
    "return_tokens": Refusal("tokens are named by their text", (False,)),
    "return_hidden_states": Refusal("no hidden states are returned", (False,)),
    "prompt_embeds": Refusal("prompts are texts or tokens", ()),
    "image_data": Refusal("the models here read text alone", ([],)),
    "images": Refusal("the models here read text alone", ([],)),
    "lora_path": Refusal("the model is the one that `model` names", ()),
    "lora": Refusal("the model is the one that `model` names", ([],)),
    "adapter_id": Refusal("the model is the one that `model` names", ()),
}
_ENGINES_CHAT: Final = {
    "system": Refusal("use a message of the role `system`", ("",)),
    "echo": Refusal("use `POST /v1/completions`", (False,)),
    "chat_template": Refusal(_TEMPLATE),
    "template": Refusal(_TEMPLATE, ("",)),
    "documents": Refusal("the chat template has no place for them", ([],)),
    "add_generation_prompt": Refusal("an answer is always begun", (True,)),
    "continue_final_message": Refusal("a last message of the assistant is always continued", (True,)),
    "add_special_tokens": Refusal("the chat template has the special tokens", (False,)),
    "include_reasoning": Refusal("reasoning is always in the answer", (True,)),
    "separate_reasoning": Refusal("reasoning is always apart from the content", (True,)),
    "stream_reasoning": Refusal("reasoning is streamed as it comes", (True,)),
    "reasoning_format": Refusal("reasoning is in `reasoning_content`", ("auto", "deepseek", "parsed")),
    "reasoning_budget": Refusal("use `reasoning_effort`", (-1,)),
    "thinking_budget": Refusal("use `reasoning_effort`", (-1,)),
    "thinking_budget_tokens": Refusal("use `reasoning_effort`", (-1,)),
    "thinking_token_budget": Refusal("use `reasoning_effort`", (-1,)),
}
_ENGINES_TEXT: Final = {
    "system": Refusal("use `POST /v1/chat/completions`", ("",)),
    "template": Refusal("a prompt is read as it is", ("",)),
    "raw": Refusal("a prompt is read as it is", (True, False)),
    "context": Refusal("use `prompt`", ([],)),
    "add_special_tokens": Refusal("the model's special tokens are always added", (True,)),
    "return_full_text": Refusal("use `echo`", (False,)),
}
_ALL_REFUSED: Final[dict[type, dict[str, Refusal]]] = {
    **REFUSED,
    ChatRequest: _ENGINES | _ENGINES_CHAT | REFUSED[ChatRequest],
    CompletionRequest: _ENGINES | _ENGINES_TEXT | REFUSED[CompletionRequest],
}
# Fields that change no answer: labels and hints to a provider. They are not checked, and named among the ignored ones.
ADVICE: Final = frozenset(
    {
        "user", "metadata", "service_tier", "prompt_cache_key", "prompt_cache_retention", "safety_identifier",
        "prediction", "verbosity",
    }
)  # fmt: skip
# The same of other engines: also how an engine works, and the parameters of samplers that are off.
_ENGINE_ADVICE: Final = frozenset(
    {
        "cache_control", "priority", "request_id", "rid", "cache_salt", "cache_prompt", "id_slot", "slot_id", "n_keep",
        "num_keep", "n_discard", "keep_alive", "kv_transfer_params", "session_params", "bootstrap_host",
        "bootstrap_port", "bootstrap_room", "data_parallel_rank", "guided_decoding_backend", "timings_per_token",
        "return_progress",
        "num_ctx", "num_batch", "num_gpu", "main_gpu", "num_thread", "low_vram", "f16_kv", "numa", "use_mmap",
        "use_mlock", "vocab_only", "penalize_newline", "logits_all", "details", "decoder_input_details",
        "mirostat_tau", "mirostat_eta", "dry_base", "dry_allowed_length", "dry_penalty_last_n",
        "dry_sequence_breakers", "xtc_threshold", "dynatemp_exponent", "dynatemp_low", "dynatemp_high",
        "smoothing_curve", "adaptive_decay", "repeat_last_n", "penalty_last_n",
    }
)  # fmt: skip
_ALL_ADVICE: Final = ADVICE | _ENGINE_ADVICE
# Members of our own answers, and of what SDKs make of them, that say nothing to the model: let through in silence.
_RETURNED: Final[dict[type, frozenset[str]]] = {
    Message: frozenset({"annotations", "parsed"}),
    ToolCall: frozenset({"index"}),
    FunctionCall: frozenset({"parsed_arguments"}),
}


@dataclass(slots=True)
class _Unknown:
    """The unknown fields of one request: by name, each with the path of its first occurrence."""

    first: dict[str, str] = field(default_factory=dict)

    def is_new(self, path: str) -> bool:
        """Take note of an unknown field; whether it is the first of its name. Raises `ApiError` for too many names."""
        name = _INDEX.sub("[]", path)
        if name in self.first:
            return False
        if len(self.first) == _MAX_UNKNOWN:
            text = f"More than {_MAX_UNKNOWN} unknown parameters."
            raise ApiError("unknown_parameter", text, param=path[:80])
        self.first[name] = path
        return True


def ignored_fields(fields: dict[str, Any], kind: type[msgspec.Struct]) -> tuple[str, ...]:
    """The fields, at any depth, that `kind` does not have and that are let through: of each name the first path.

    Raises `ApiError` for one that is refused by name, and for one whose name is nearly that of a known one.
    """
    found = _Unknown()
    _collect(fields, kind, "", found)
    return tuple(found.first.values())


def _collect(fields: dict[str, Any], kind: type[msgspec.Struct], path: str, found: _Unknown) -> None:
    """Add the unknown fields of one object, and of those within it, to `found`."""
    known = _fields_of(kind)
    refused = _ALL_REFUSED.get(kind, {})
    silent = _RETURNED.get(kind, frozenset())
    tag = kind.__struct_config__.tag_field
    for name, value in fields.items():
        if name in known:
            _collect_within(value, known[name], path + name, found)
        elif value is None or name == tag or name in silent:
            continue
        elif name in refused:
            _check_refused(name, value, refused[name], path)
        elif found.is_new(path + name) and (path or name not in _ALL_ADVICE):
            _check_spelling(name, kind, path)


@cache
def _fields_of(kind: type[msgspec.Struct]) -> dict[str, Any]:
    return {field.name: field.type for field in msgspec.structs.fields(kind)}


def _collect_within(value: Any, kind: Any, path: str, found: _Unknown) -> None:
    """The same for the objects that `value` holds, where its type has any."""
    if isinstance(value, dict):
        if struct := _struct_for(value, kind):
            _collect(value, struct, path + ".", found)
    elif isinstance(value, list):
        for entries in _lists_of_structs(kind):
            for index, entry in enumerate(value):
                _collect_within(entry, entries, f"{path}[{index}]", found)


@cache
def _lists_of_structs(kind: Any) -> tuple[Any, ...]:
    """The types of a type's list items, where they may be structs: a million texts need not be visited."""
    lists = [get_args(option)[0] for option in _options(kind) if get_origin(option) is list]
    return tuple(entries for entries in lists if _may_hold_structs(entries))


@cache
def _may_hold_structs(kind: Any) -> bool:
    return bool(_lists_of_structs(kind)) or any(
        isinstance(option, type) and issubclass(option, msgspec.Struct) for option in _options(kind)
    )


def _struct_for(value: dict[str, Any], kind: Any) -> type[msgspec.Struct] | None:
    """The struct that `value` is read as; of several, the one whose tag it has."""
    for option, tag_field, tag in _structs(kind):
        if tag_field is None or value.get(tag_field) == tag:
            return option
    return None


@cache
def _structs(kind: Any) -> tuple[tuple[type[msgspec.Struct], str | None, Any], ...]:
    """The structs of a union, each with its tag field and tag."""
    return tuple(
        (option, option.__struct_config__.tag_field, option.__struct_config__.tag)
        for option in _options(kind)
        if isinstance(option, type) and issubclass(option, msgspec.Struct)
    )


@cache
def _options(kind: Any) -> tuple[Any, ...]:
    """The members of a union, without annotations."""
    if hasattr(kind, "__metadata__"):
        return _options(get_args(kind)[0])
    if isinstance(kind, type) or get_origin(kind) is list:
        return (kind,)
    return tuple(option for member in get_args(kind) for option in _options(member))


def _check_refused(name: str, value: Any, refusal: Refusal, path: str) -> None:
    """Raise `ApiError` 400 unless the value is harmless."""
    if not any(same(value, harmless) for harmless in refusal.harmless):
        text = f"`{path}{name}` is not supported: {refusal.why}."
        raise ApiError("unsupported_parameter", text, param=path + name)


def _check_spelling(name: str, kind: type[msgspec.Struct], path: str) -> None:
    """Raise `ApiError` 422 for the name of an unknown field that is nearly a known one."""
    if (near := _near_names(kind, top=not path).find(name)) is not None:
        text = f"`{path}{name}` is not a parameter; did you mean `{near}`?"
        raise ApiError("unknown_parameter", text, param=path + name)


@cache
def _near_names(kind: type[msgspec.Struct], *, top: bool) -> NearNames:
    """The names that a misspelt one may stand for; one of the refused list is as good a guess as a known one."""
    return NearNames([*_fields_of(kind), *_ALL_REFUSED.get(kind, ()), *(_ALL_ADVICE if top else ())])
