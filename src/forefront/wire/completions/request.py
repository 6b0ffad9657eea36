"""Requests for completions: fields, types and ranges."""

from typing import Annotated, Literal, cast

import msgspec
from msgspec import Meta

from forefront.wire.completions.message import Message, TextPart
from forefront.wire.completions.response_format import Grammar, JsonObjectFormat, JsonSchemaFormat, ResponseFormat
from forefront.wire.completions.tools import MAX_TOOLS, ChosenFunction, Function, NamedToolChoice, Tool, ToolChoice

MAX_STOPS = 16
MAX_STOP_LENGTH = 1024
MAX_STOP_TOKENS = 64
MAX_CHOICES = 16
MAX_BIASES = 1024
MAX_PROMPTS = 256

NonEmpty = Annotated[str, Meta(min_length=1)]
Stop = Annotated[str, Meta(min_length=1, max_length=MAX_STOP_LENGTH)]
Penalty = Annotated[float, Meta(ge=-2, le=2)]
Positive = Annotated[int, Meta(ge=1, le=2**31 - 1)]
Natural = Annotated[int, Meta(ge=0, le=2**31 - 1)]
TokenId = Annotated[int, Meta(ge=0, le=2**31 - 1)]


# How much a model reasons.
Effort = Literal["none", "minimal", "low", "medium", "high", "xhigh", "max"]


class StreamOptions(msgspec.Struct, kw_only=True):
    """Options of a stream: with `include_usage` a last chunk carries the usage of the whole request."""

    include_usage: bool | None = None


class Sampling(msgspec.Struct, kw_only=True):
    """The fields of all endpoints that generate text: sampling, and the end of the answer.

    `null` means the same as leaving a field out. `temperature` 0 is greedy. `top_k` 0 (or -1), `top_p` 1 and `min_p` 0
    keep every token, `top_p` 0 the most likely alone. `seed` makes sampling repeatable. `logit_bias` maps token ids,
    written as strings, to a number added to their logits. `stop` and `stop_token_ids` end the answer before a text or a
    token of its content; they have no effect on tool calls, reasoning and JSON. Neither they nor the model's end tokens
    end it before `min_tokens` tokens. With `ignore_eos` the model's end tokens do not end it. `regex` and `grammar` (at
    most one of them) set the form of the answer. `deadline_ms` ends the answer that long after the request has come.
    """

    model: NonEmpty
    temperature: Annotated[float, Meta(ge=0, le=2)] | None = None
    top_p: Annotated[float, Meta(ge=0, le=1)] | None = None
    top_k: Annotated[int, Meta(ge=-1, le=2**31 - 1)] | None = None
    min_p: Annotated[float, Meta(ge=0, le=1)] | None = None
    stop: Stop | Annotated[list[Stop], Meta(max_length=MAX_STOPS)] | None = None
    stop_token_ids: Annotated[list[TokenId], Meta(max_length=MAX_STOP_TOKENS)] | None = None
    min_tokens: Natural | None = None
    ignore_eos: bool | None = None
    seed: Annotated[int, Meta(ge=-(2**63), le=2**63 - 1)] | None = None
    presence_penalty: Penalty | None = None
    frequency_penalty: Penalty | None = None
    repetition_penalty: Annotated[float, Meta(gt=0, le=2)] | None = None
    logit_bias: Annotated[dict[str, Annotated[float, Meta(ge=-100, le=100)]], Meta(max_length=MAX_BIASES)] | None = None
    regex: NonEmpty | None = None
    grammar: NonEmpty | Grammar | None = None
    deadline_ms: Annotated[int, Meta(ge=1, le=86_400_000)] | None = None
    stream: bool | None = None


class SampledRequest(Sampling, kw_only=True):
    """The fields of both endpoints of completions. `response_format` sets the form of the answer, in place of `regex`
    and `grammar`. An answer that `deadline_ms` ends has the finish reason `deadline`."""

    n: Annotated[int, Meta(ge=1, le=MAX_CHOICES)] | None = None
    response_format: ResponseFormat | None = None
    stream_options: StreamOptions | None = None

    @property
    def stops(self) -> list[str]:
        """The stop strings as a list; none where the answer is JSON."""
        if self.stop is None or self.answers_json:
            return []
        return [self.stop] if isinstance(self.stop, str) else self.stop

    @property
    def stop_tokens(self) -> frozenset[int]:
        """The tokens that end the answer beside the model's own; none where the answer is JSON."""
        return frozenset() if self.answers_json else frozenset(self.stop_token_ids or ())

    @property
    def answers_json(self) -> bool:
        """Whether the answer is JSON of a form, which no stop string may cut."""
        return isinstance(self.response_format, JsonObjectFormat | JsonSchemaFormat)

    @property
    def include_usage(self) -> bool:
        """Whether a stream ends with a chunk that holds the usage."""
        return self.stream_options is not None and bool(self.stream_options.include_usage)


class Prediction(msgspec.Struct, kw_only=True):
    """What the answer will probably be, in whole or in parts, such as a file that an edit changes little."""

    type: Literal["content"]
    content: str | Annotated[list[TextPart], Meta(max_length=4096)]

    @property
    def text(self) -> str:
        """The content as one text."""
        return self.content if isinstance(self.content, str) else "".join(part.text for part in self.content)


class ChatRequest(SampledRequest, kw_only=True):
    """The body of `POST /v1/chat/completions`. Each of its fields has an effect.

    `max_tokens` counts the answer's tokens (default, and -1: what is left of the context). `tool_choice` is `auto`
    where tools are offered; with `parallel_tool_calls` false the model makes one call at most. `functions` and
    `function_call` are the older form of `tools` and `tool_choice`; the answer then has that form too.
    `reasoning_effort` has an effect for models whose template knows it. `prediction` makes an answer faster where it is
    right, and changes nothing else.
    """

    messages: Annotated[list[Message], Meta(min_length=1, max_length=4096)]
    max_tokens: Positive | None = None
    logprobs: bool | None = None
    top_logprobs: Annotated[int, Meta(ge=0, le=20)] | None = None
    tools: Annotated[list[Tool], Meta(max_length=MAX_TOOLS)] | None = None
    tool_choice: ToolChoice | None = None
    parallel_tool_calls: bool | None = None
    functions: Annotated[list[Function], Meta(max_length=MAX_TOOLS)] | None = None
    function_call: Literal["none", "auto"] | ChosenFunction | None = None
    reasoning_effort: Effort | None = None
    prediction: Prediction | None = None

    @property
    def active_tools(self) -> list[Tool]:
        """The tools that the model is shown: none where it must not call any."""
        return [] if self.tool_choice == "none" else self.tools or []

    @property
    def callable_tools(self) -> list[Tool]:
        """The tools that the model may call: all that are offered, or those that `tool_choice` names."""
        if not isinstance(self.tool_choice, NamedToolChoice):
            return self.active_tools
        names = set(self.tool_choice.names)
        return [tool for tool in self.active_tools if tool.function.name in names]

    @property
    def call_mode(self) -> Literal["auto", "required", "one"]:
        """Whether the model may call tools, has to, or has to make exactly one call."""
        choice = self.tool_choice
        if isinstance(choice, NamedToolChoice):
            return choice.allowed_tools.mode if choice.allowed_tools is not None else "one"
        return "required" if choice == "required" else "auto"


class CompletionRequest(SampledRequest, kw_only=True):
    """The body of `POST /v1/completions`. Each of its fields has an effect.

    `prompt` is a text, a list of token ids, or a list of either; each gets `n` choices. `max_tokens` is 16 where it is
    left out; 0 needs `echo`. `logprobs` is the number of alternatives at each position; with `echo`, which puts the
    prompt before the answer, of the prompt's tokens too. They include the end token, which `usage` counts.
    """

    prompt: str | Annotated[list[str | TokenId | list[TokenId]], Meta(min_length=1)]
    max_tokens: Natural | None = None
    logprobs: Annotated[int, Meta(ge=0, le=20)] | None = None
    echo: bool | None = None

    @property
    def prompts(self) -> list[str | list[int]]:
        """Each prompt, as text or as token ids."""
        if isinstance(self.prompt, str):
            return [self.prompt]
        # A mixture is refused, so the first entry shows what all are: no pass over a million ids.
        return cast("list[str | list[int]]", [self.prompt] if isinstance(self.prompt[0], int) else self.prompt)
