"""Fields that are not parameters of `POST /v1/messages`: refused by name, or ignored as hints."""

from typing import Final

from forefront.wire.completions.refused_fields import ALL_ADVICE, ENGINES, FieldTables, Refusal
from forefront.wire.messages.blocks import ImageBlock, SystemBlock, TextBlock, ToolResultBlock, ToolUseBlock
from forefront.wire.messages.request import CountTokensRequest, MessagesRequest, OutputConfig
from forefront.wire.messages.tools import ClientTool

_CHAT: Final = "this is a field of `POST /v1/chat/completions`; use"
_KEEP_THINKING: Final = {"edits": [{"type": "clear_thinking_20251015", "keep": "all"}]}
_OWN: Final = {
    "container": Refusal("no code runs on the server"),
    "mcp_servers": Refusal("the server calls no tools; offer them in `tools`", ([],)),
    "context_management": Refusal("messages are never changed", ({}, {"edits": []}, _KEEP_THINKING)),
    "compaction": Refusal("messages are never changed"),
    "billing_policy": Refusal(
        "the project of the key pays",
        ({"type": "billing_policy"}, {"type": "billing_policy", "bill_to": "self"}),
    ),
    "inference_geo": Refusal("requests are processed where the server is"),
    "speed": Refusal("there is one speed", ("standard",)),
    "fallbacks": Refusal("fallbacks are set on the server", ([],)),
    "thread": Refusal("nothing is stored here"),
    "n": Refusal("there is one answer to a request", (1,)),
    "prompt": Refusal("use `messages`"),
    "max_completion_tokens": Refusal(f"{_CHAT} `max_tokens`"),
    "max_output_tokens": Refusal("this is a field of `POST /v1/responses`; use `max_tokens`"),
    "max_tokens_to_sample": Refusal("use `max_tokens`"),
    "response_format": Refusal(f"{_CHAT} `output_config.format`"),
    "reasoning_effort": Refusal(f"{_CHAT} `output_config.effort`"),
    "parallel_tool_calls": Refusal(f"{_CHAT} `tool_choice.disable_parallel_tool_use`", (True,)),
    "logprobs": Refusal("messages have no log-probabilities", (False,)),
    "top_logprobs": Refusal("messages have no log-probabilities", (0,)),
    "functions": Refusal(f"{_CHAT} `tools`"),
    "function_call": Refusal(f"{_CHAT} `tool_choice`"),
}
_TOOLSET: Final = {"toolset_name": Refusal("toolsets are not supported")}
_KNOWN: Final = frozenset(MessagesRequest.__struct_fields__)
REFUSED: Final[dict[type, dict[str, Refusal]]] = {
    MessagesRequest: _OWN,
    CountTokensRequest: _OWN,
    OutputConfig: {"task_budget": Refusal("tokens are counted for a request, not for a task")},
    ClientTool: {
        "input_examples": Refusal("write examples into `description`", ([],)),
        "allowed_callers": Refusal("no tools run on the server", (["direct"],)),
    },
    ImageBlock: {"transformations": Refusal("images are not changed")},
    ToolUseBlock: _TOOLSET,
    ToolResultBlock: _TOOLSET,
}
_ALL: Final = {name: refusal for name, refusal in ENGINES.items() if name not in _KNOWN} | _OWN
_RETURNED: Final[dict[type, frozenset[str]]] = {
    SystemBlock: frozenset({"citations"}),
    TextBlock: frozenset({"citations", "parsed_output"}),
    ToolUseBlock: frozenset({"caller"}),
    # The input of a call is always streamed as it comes.
    ClientTool: frozenset({"eager_input_streaming"}),
}
_ADVICE: Final = ALL_ADVICE | {"diagnostics", "fallback_credit_token", "user_profile_id", "workspace_id"}
FIELD_TABLES: Final[dict[type, FieldTables]] = {
    MessagesRequest: FieldTables(REFUSED | {MessagesRequest: _ALL}, _RETURNED, _ADVICE - _KNOWN),
    # A count takes the whole request; fields that do not change the prompt have no effect.
    CountTokensRequest: FieldTables(
        REFUSED | {CountTokensRequest: _ALL},
        _RETURNED,
        (_ADVICE | _KNOWN) - frozenset(CountTokensRequest.__struct_fields__),
    ),
}
