"""Dialects of upstream servers: for each kind of server, its names for the fields of a request.

A field that is not in a server's table is refused rather than dropped, unless its value changes nothing.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, Final, Literal

import msgspec

from forefront.wire.completions.response_format import Grammar, JsonSchemaFormat, ResponseFormat, TextFormat

Fields = dict[str, Any]
# Translates the value of a field to an upstream's fields; None: the upstream does not support the value.
Writer = Callable[[Any], Fields | None]
PreviewKind = Literal["preflight", "apply_template", "tokenize"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Dialect:
    """One kind of server.

    `chat` and `text` have the fields of the two endpoints. `custom_tools`: it knows tools that take a text;
    `allowed_tools`: and a choice among some of the tools. `tool_choice`: it can be bound to call a tool; `named_tool`:
    and to call a certain one. `whole_with` are fields with which it does not stream as it should, so that the whole
    answer is requested. `developer`: it knows that role. `reasoning`: the fields of a message with the reasoning before
    its content. `prefill` are the fields that let it continue a last message of the assistant, None if it cannot.
    `stream_options` are those that it knows beside `include_usage`. `usage_of_choices`: it states the usage of each
    choice, not of all. `preview`: how it shows a prompt. `ranks`: it may
    rank texts. `dimensions`: it shortens embeddings; `base64_vectors`: it sends them in base64.
    """

    name: str
    chat: Mapping[str, Writer]
    text: Mapping[str, Writer]
    custom_tools: bool = False
    allowed_tools: bool = False
    tool_choice: bool = True
    named_tool: bool = True
    whole_with: frozenset[str] = frozenset()
    developer: bool = False
    reasoning: tuple[str, ...] = ("reasoning_content",)
    prefill: Mapping[str, Any] | None = None
    stream_options: Mapping[str, Any] | None = None
    usage_of_choices: bool = False
    preview: PreviewKind | None = None
    ranks: bool = True
    dimensions: bool = True
    base64_vectors: bool = False


def _as(name: str) -> Writer:
    return lambda value: {name: value}


def _names(*names: str) -> dict[str, Writer]:
    return {name: _as(name) for name in names}


def _positive_top_p(value: float) -> Fields:
    """Some servers refuse 0. This leaves the most likely token alone too, in a vocabulary of up to a million."""
    return {"top_p": max(value, 1e-6)}


def _response_format(value: ResponseFormat) -> Fields:
    """With a name for the schema, which several servers require."""
    if isinstance(value, TextFormat):
        return {}
    plain = msgspec.to_builtins(value)
    if isinstance(value, JsonSchemaFormat):
        given = {name: member for name, member in plain["json_schema"].items() if member is not None}
        plain["json_schema"] = {"name": "answer"} | given
    return {"response_format": plain}


def grammar_text(value: str | Grammar) -> tuple[Literal["lark", "gbnf"], str]:
    """The syntax and the text of a grammar."""
    if isinstance(value, Grammar):
        return value.syntax, value.definition
    return ("gbnf" if "::=" in value else "lark"), value


def _gbnf_as(name: str) -> Writer:
    """For servers that read only GBNF."""

    def write(value: str | Grammar) -> Fields | None:
        syntax, text = grammar_text(value)
        return {name: text} if syntax == "gbnf" else None

    return write


def _vllm_form(name: str) -> Writer:
    def write(value: str | Grammar) -> Fields:
        return {"structured_outputs": {name: grammar_text(value)[1] if name == "grammar" else value}}

    return write


def _grammar(value: str | Grammar) -> Fields:
    return {"grammar": msgspec.to_builtins(value)}


def _whole_top_k(value: int) -> Fields:
    return {"top_k": value if value > 0 else -1}


def _zero_top_k(value: int) -> Fields:
    return {"top_k": max(value, 0)}


def _short_seed(value: int) -> Fields:
    """A seed of 31 bits: a longer one would be truncated, and -1 means random."""
    return {"seed": value % (2**31 - 1)}


def _json_schema(value: ResponseFormat) -> Fields:
    """For llama.cpp's completions of texts."""
    if isinstance(value, JsonSchemaFormat):
        return {"json_schema": value.json_schema.schema}
    return {} if isinstance(value, TextFormat) else {"json_schema": {"type": "object"}}


def _penalty_as(name: str) -> Writer:
    """For llama.cpp: over all tokens, in place of the last 64."""
    return lambda value: {name: value, "repeat_last_n": -1}


def _template_effort(value: str) -> Fields:
    """For servers that leave reasoning to the chat template, whose variables for it have several names."""
    thinks = value != "none"
    effort = {"reasoning_effort": value} if thinks else {}
    return {"chat_template_kwargs": {"enable_thinking": thinks, "thinking": thinks} | effort}


def _vllm_effort(value: str) -> Fields:
    fields = _template_effort(value)
    return fields if value == "none" else fields | {"reasoning_effort": value}


def _chosen_logprob(value: int) -> Fields | None:
    """For a server that has log-probabilities of the chosen tokens only."""
    return {"logprobs": 1} if value <= 1 else None


def _one_text(value: Any) -> Fields | None:
    return {"prompt": value} if isinstance(value, str) else None


_SAMPLING: Final = _names("temperature", "seed", "stop", "presence_penalty", "frequency_penalty", "max_tokens") | {
    "top_p": _positive_top_p
}
_FORMAT: Final[dict[str, Writer]] = {"response_format": _response_format}
_CHAT: Final = (
    _SAMPLING
    | _names("n", "logit_bias", "logprobs", "top_logprobs", "tools", "parallel_tool_calls", "reasoning_effort")
    | _FORMAT
)
_TEXT: Final = _SAMPLING | _names("n", "logit_bias", "prompt", "logprobs", "echo")
_ENGINE: Final = _names("min_p", "repetition_penalty", "min_tokens", "ignore_eos", "stop_token_ids") | {
    "top_k": _whole_top_k
}
_VLLM: Final = _ENGINE | {"regex": _vllm_form("regex"), "grammar": _vllm_form("grammar")}
_SGLANG: Final = _ENGINE | {"regex": _as("regex"), "grammar": _gbnf_as("ebnf")}
_LLAMA: Final = _names("min_p", "ignore_eos") | {
    "top_k": _zero_top_k,
    "repetition_penalty": _penalty_as("repeat_penalty"),
    "presence_penalty": _penalty_as("presence_penalty"),
    "frequency_penalty": _penalty_as("frequency_penalty"),
    "grammar": _gbnf_as("grammar"),
    "seed": _short_seed,
}
_FOREFRONT: Final = _ENGINE | {"top_k": _as("top_k"), "regex": _as("regex"), "grammar": _grammar}
_OVMS: Final = _SAMPLING | _names("n", "repetition_penalty", "ignore_eos") | {"top_k": _whole_top_k}
_OLLAMA: Final = _SAMPLING | {"seed": _short_seed}
_PREDICTION: Final[dict[str, Writer]] = {"prediction": lambda value: {"prediction": msgspec.to_builtins(value)}}
_OPENAI_LENGTH: Final = {"max_tokens": _as("max_completion_tokens")}
_CONTINUE: Final = {"continue_final_message": True, "add_generation_prompt": False}

DIALECTS: Final[Mapping[str, Dialect]] = {
    dialect.name: dialect
    for dialect in (
        Dialect(
            name="forefront",
            chat=_CHAT | _FOREFRONT | _PREDICTION,
            text=_TEXT | _FORMAT | _FOREFRONT,
            custom_tools=True,
            allowed_tools=True,
            developer=True,
            prefill={},
            preview="preflight",
            base64_vectors=True,
        ),
        Dialect(
            name="vllm",
            chat=_CHAT | _VLLM | {"reasoning_effort": _vllm_effort},
            text=_TEXT | _FORMAT | _VLLM,
            reasoning=("reasoning", "reasoning_content"),
            prefill=_CONTINUE,
            # Usage in every chunk, so that it is known for an answer that is cut.
            stream_options={"continuous_usage_stats": True},
            preview="tokenize",
            base64_vectors=True,
        ),
        Dialect(
            name="sglang",
            chat=_CHAT | _SGLANG,
            text=_TEXT | _FORMAT | _SGLANG,
            prefill={"continue_final_message": True},
            stream_options={"continuous_usage_stats": True},
        ),
        Dialect(
            name="llama.cpp",
            chat=_CHAT | _LLAMA | {"reasoning_effort": _template_effort},
            text={name: writer for name, writer in (_TEXT | _LLAMA).items() if name != "echo"}
            | {"response_format": _json_schema},
            named_tool=False,
            prefill={},
            usage_of_choices=True,
            preview="apply_template",
            dimensions=False,
        ),
        Dialect(
            name="ollama",
            chat=_OLLAMA | _names("tools", "reasoning_effort", "logprobs", "top_logprobs") | _FORMAT,
            text=_OLLAMA | {"prompt": _one_text},
            tool_choice=False,
            reasoning=("reasoning",),
            prefill={},
            ranks=False,
        ),
        Dialect(
            name="ovms",
            chat=_OVMS | _names("logprobs", "tools") | _FORMAT | {"reasoning_effort": _template_effort},
            text=_OVMS | _names("echo") | {"prompt": _one_text, "logprobs": _chosen_logprob},
            # Its streams have one choice, no log-probabilities, and include the stop string.
            whole_with=frozenset({"n", "stop", "logprobs"}),
            dimensions=False,
        ),
        Dialect(
            name="openai",
            chat=_CHAT | _OPENAI_LENGTH | _PREDICTION,
            text=_TEXT,
            custom_tools=True,
            allowed_tools=True,
            developer=True,
            reasoning=(),
            ranks=False,
            base64_vectors=True,
        ),
        Dialect(name="generic", chat=_CHAT, text=_TEXT, prefill={}),
    )
}  # fmt: skip

# Values without an effect, which a server without the field accepts too.
NEUTRAL: Final[Mapping[str, tuple[Any, ...]]] = {
    "top_k": (0, -1),
    "min_p": (0,),
    "top_p": (1,),
    "repetition_penalty": (1,),
    "presence_penalty": (0,),
    "frequency_penalty": (0,),
    "min_tokens": (0,),
    "ignore_eos": (False,),
    "stop_token_ids": ([],),
    "logit_bias": ({},),
    "n": (1,),
    "logprobs": (False,),
    "top_logprobs": (0,),
    "echo": (False,),
    "parallel_tool_calls": (True,),
    "tools": ([],),
    "stop": ([],),
    "response_format": (TextFormat(),),
}
