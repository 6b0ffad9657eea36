"""Tables of fields that are not parameters here: refused by name, or ignored as hints."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final

from forefront.wire.completions.message import Message
from forefront.wire.completions.request import ChatRequest, CompletionRequest, StreamOptions
from forefront.wire.completions.tools import FunctionCall, ToolCall


@dataclass(frozen=True, slots=True)
class Refusal:
    """A field that would change the answer, so that it cannot be ignored. Its `harmless` values have no effect and are
    accepted silently."""

    why: str
    harmless: tuple[Any, ...] = ()


@dataclass(frozen=True, eq=False)
class FieldTables:
    """Names of fields that the structs of an API do not have. `refused` and `returned` are by struct; `returned` are
    members of responses without meaning in a request. `advice` are names of the whole request."""

    refused: Mapping[type, Mapping[str, Refusal]]
    returned: Mapping[type, frozenset[str]]
    advice: frozenset[str]


_NO_SAMPLER: Final = "this sampler is not supported"
_NO_SEARCH: Final = "tokens are sampled, not searched for"
_TEMPLATE: Final = "the server's own chat template is used"
# Fields of the OpenAI API.
_OF_BOTH: Final = {"store": Refusal("nothing is stored here", (False,))}
NO_MODERATION: Final = Refusal("nothing is moderated here")
OF_STREAMS: Final = {"include_obfuscation": Refusal("events are not padded", (False,))}
_OF_CHAT: Final = {
    "audio": Refusal("models generate text only"),
    "modalities": Refusal("models generate text only", (["text"],)),
    "web_search_options": Refusal("nothing is searched here"),
    "moderation": NO_MODERATION,
}
_OF_TEXT: Final = {
    "suffix": Refusal("infilling is not supported", ("",)),
    "best_of": Refusal("every choice is returned; use `n`", (1,)),
}
REFUSED: Final[dict[type, dict[str, Refusal]]] = {
    ChatRequest: _OF_BOTH | _OF_CHAT,
    CompletionRequest: _OF_BOTH | _OF_TEXT,
    Message: {"audio": Refusal("models read text only")},
    StreamOptions: OF_STREAMS,
}
# Fields of other engines.
ENGINES: Final = {
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
    # Fields that end, constrain or truncate the answer or the prompt.
    "stop_regex": Refusal("use `stop` or `regex`", ("", [])),
    "no_stop_trim": Refusal("the answer ends before a stop string", (False,)),
    "include_stop_str_in_output": Refusal("the answer ends before a stop string", (False,)),
    "stop_at_line_break": Refusal("use `stop`", (False,)),
    "bad_words": Refusal("use `logit_bias`", ([],)),
    "bad_words_ids": Refusal("use `logit_bias`", ([],)),
    "banned_tokens": Refusal("use `logit_bias`", ([], "")),
    "allowed_token_ids": Refusal("use `logit_bias` or `grammar`", ()),
    "custom_token_bans": Refusal("use `logit_bias`", ("", [])),
    "logits_processors": Refusal("client code is not executed", ([],)),
    "custom_logit_processor": Refusal("client code is not executed", ()),
    "custom_params": Refusal("client code is not executed", ({},)),
    "guided_whitespace_pattern": Refusal("whitespace in JSON is that of `json.dumps`", ()),
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
    "max_length": Refusal("use `max_tokens`"),
    "min_length": Refusal("use `min_tokens`", (0,)),
    # Outputs that are not supported.
    "prompt_logprobs": Refusal("use `POST /v1/completions` with `echo` and `logprobs`"),
    "return_logprob": Refusal("use `logprobs`", (False,)),
    "top_logprobs_num": Refusal("use `top_logprobs`", (0,)),
    "logprob_start_len": Refusal("use `echo` and `logprobs`", (-1,)),
    "n_probs": Refusal("use `logprobs`", (0,)),
    "post_sampling_probs": Refusal("log-probabilities are the model's own", (False,)),
    "return_tokens_as_token_ids": Refusal("tokens are named by their text", (False,)),
    "return_token_ids": Refusal("tokens are named by their text", (False,)),
    "return_tokens": Refusal("tokens are named by their text", (False,)),
    "return_hidden_states": Refusal("no hidden states are returned", (False,)),
    "prompt_embeds": Refusal("prompts are texts or tokens", ()),
    "image_data": Refusal("models read text only", ([],)),
    "images": Refusal("models read text only", ([],)),
    # Bodies of other APIs.
    "sampling_params": Refusal("send its members as fields of the request"),
    "parameters": Refusal("send its members as fields of the request"),
    "extra_body": Refusal("send its members as fields of the request", ({},)),
    "generation_config": Refusal("send its members as fields of the request", ({},)),
    "guided_decoding": Refusal("use `structured_outputs` or `response_format`"),
    "inputs": Refusal("use `messages`, or `prompt` with `POST /v1/completions`"),
    "input": Refusal("use `messages`, or `prompt` with `POST /v1/completions`"),
    "contents": Refusal("use `messages`, or `prompt` with `POST /v1/completions`"),
    "instructions": Refusal("use a message of the role `system`", ("",)),
    "text": Refusal("use `response_format`", ({},)),
    "previous_response_id": Refusal("nothing is stored here"),
    "conversation": Refusal("nothing is stored here"),
    "background": Refusal("nothing is stored here", (False,)),
    "lora_path": Refusal("`model` selects the model", ()),
    "lora": Refusal("`model` selects the model", ([],)),
    "adapter_id": Refusal("`model` selects the model", ()),
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
    "stream_reasoning": Refusal("reasoning is always streamed", (True,)),
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
ALL_REFUSED: Final[dict[type, dict[str, Refusal]]] = {
    **REFUSED,
    ChatRequest: ENGINES | _ENGINES_CHAT | REFUSED[ChatRequest],
    CompletionRequest: ENGINES | _ENGINES_TEXT | REFUSED[CompletionRequest],
}
# Fields that change no answer: labels and hints to a provider. They are not checked, and named among the ignored ones.
ADVICE: Final = frozenset(
    {
        "user", "metadata", "service_tier", "prompt_cache_key", "prompt_cache_options", "prompt_cache_retention",
        "safety_identifier", "prediction", "verbosity",
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
ALL_ADVICE: Final = ADVICE | _ENGINE_ADVICE
# Members of our responses and of SDK objects without meaning for the model: ignored without a notice.
RETURNED: Final[dict[type, frozenset[str]]] = {
    Message: frozenset({"annotations", "parsed"}),
    ToolCall: frozenset({"index"}),
    FunctionCall: frozenset({"parsed_arguments"}),
}
FIELD_TABLES: Final = FieldTables(ALL_REFUSED, RETURNED, ALL_ADVICE)
