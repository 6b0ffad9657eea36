"""Fields that are not parameters of `POST /v1/responses`: refused by name, or ignored as hints."""

from typing import Final

from forefront.wire.completions.refused_fields import (
    ALL_ADVICE,
    ENGINES,
    NO_MODERATION,
    OF_STREAMS,
    FieldTables,
    Refusal,
)
from forefront.wire.responses.items import (
    CustomToolCallItem,
    CustomToolCallOutputItem,
    FunctionCallItem,
    FunctionCallOutputItem,
    InputFilePart,
    InputImage,
    MessageItem,
    OutputTextPart,
    ReasoningItem,
)
from forefront.wire.responses.request import (
    PromptCacheOptions,
    ReasoningOptions,
    ResponsesRequest,
    ResponseStreamOptions,
)
from forefront.wire.responses.tools import CustomTool, FunctionTool

_CHAT: Final = "this is a field of `POST /v1/chat/completions`; use"
_OWN: Final = {
    "prompt": Refusal("prompt templates are not stored; use `input` and `instructions`"),
    "moderation": NO_MODERATION,
    "context_management": Refusal("the input is never changed", ([],)),
    "background_options": Refusal("background responses have no other options"),
    "access_programs": Refusal("access programs are not supported"),
    "image": Refusal("images are parts of `input`"),
    "audio": Refusal("models generate text only"),
    "modalities": Refusal("models generate text only", (["text"],)),
    "n": Refusal("there is one response to a request", (1,)),
    "messages": Refusal(f"{_CHAT} `input`"),
    "max_tokens": Refusal(f"{_CHAT} `max_output_tokens`"),
    "max_completion_tokens": Refusal(f"{_CHAT} `max_output_tokens`"),
    "response_format": Refusal(f"{_CHAT} `text.format`"),
    "reasoning_effort": Refusal(f"{_CHAT} `reasoning.effort`"),
    "logprobs": Refusal(f"{_CHAT} `include` with `message.output_text.logprobs`", (False,)),
    "functions": Refusal(f"{_CHAT} `tools`"),
    "function_call": Refusal(f"{_CHAT} `tool_choice`"),
}
# Names that `POST /v1/chat/completions` refuses and that are parameters here.
_KNOWN: Final = frozenset(ResponsesRequest.__struct_fields__)
_RETURNED: Final = frozenset({"status", "phase", "created_by"})
_OF_TOOLS: Final = {
    "defer_loading": Refusal("every tool is loaded", (False,)),
    "allowed_callers": Refusal("no tools run on the server", (["direct"],)),
}
REFUSED: Final[dict[type, dict[str, Refusal]]] = {
    ResponsesRequest: _OWN,
    ResponseStreamOptions: OF_STREAMS,
    ReasoningOptions: {"mode": Refusal("there is one mode", ("standard",))},
    PromptCacheOptions: {
        "prewarm": Refusal("every response has an output; send `max_output_tokens` 1", (False,)),
        "comparison_response_id": Refusal("there are no diagnostics of the cache"),
    },
    FunctionTool: _OF_TOOLS,
    CustomTool: _OF_TOOLS,
    InputImage: {"file_id": Refusal("images are not stored; send `image_url`")},
    InputFilePart: {
        "file_url": Refusal("files are not fetched; send `file_data`"),
        "detail": Refusal("files are passed on as they are", ("auto",)),
    },
}
FIELD_TABLES: Final = FieldTables(
    refused=REFUSED
    | {ResponsesRequest: {name: refusal for name, refusal in ENGINES.items() if name not in _KNOWN} | _OWN},
    returned={
        MessageItem: _RETURNED,
        FunctionCallItem: _RETURNED | {"parsed_arguments", "async", "caller"},
        FunctionCallOutputItem: _RETURNED | {"name", "caller", "namespace"},
        CustomToolCallItem: _RETURNED | {"async", "caller"},
        CustomToolCallOutputItem: _RETURNED | {"caller", "namespace"},
        OutputTextPart: frozenset({"annotations", "logprobs", "parsed"}),
        ReasoningItem: _RETURNED,
    },
    advice=ALL_ADVICE - _KNOWN,
)
