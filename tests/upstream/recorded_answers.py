"""Streams in the forms that servers send, and what they mean. The texts are made up, the forms are not."""

import json
from dataclasses import dataclass
from typing import Any, Final

_HEAD: Final = {"id": "chatcmpl-1", "object": "chat.completion.chunk", "created": 1_760_000_000, "model": "m"}
_FILTER: Final = {"hate": {"filtered": False, "severity": "safe"}}
ARGUMENTS: Final = '{"city": "Rome"}'
CALL: Final = [("weather", ARGUMENTS)]


@dataclass(frozen=True, slots=True)
class Recorded:
    """The events of a stream, and its meaning. `usage`: tokens of the prompt, of the answer, cached, of reasoning."""

    chunks: list[dict[str, Any]]
    text: str = "Hi there"
    reasoning: str = ""
    calls: tuple[tuple[str, str], ...] = ()
    reason: str = "stop"
    usage: tuple[int, int, int, int] | None = (9, 2, 0, 0)

    def lines(self, ending: bytes = b"\n") -> bytes:
        """The bytes of the stream."""
        events = [b"data: " + json.dumps(chunk, ensure_ascii=False).encode() for chunk in self.chunks]
        return b"".join(event + 2 * ending for event in [*events, b"data: [DONE]"])


def _chunk(
    delta: Any = None, finish: Any = None, *, choice: dict[str, Any] | None = None, **fields: Any
) -> dict[str, Any]:
    return _HEAD | {"choices": [{"index": 0, "delta": delta, "finish_reason": finish} | (choice or {})]} | fields


def _usage(prompt: int = 9, output: int = 2, **details: Any) -> dict[str, Any]:
    return {"prompt_tokens": prompt, "completion_tokens": output, "total_tokens": prompt + output} | details


def _call(index: int | None = 0, **fields: Any) -> dict[str, Any]:
    return ({} if index is None else {"index": index}) | fields


def _function(name: str | None = None, arguments: Any = None) -> dict[str, Any]:
    members = {"name": name, "arguments": arguments}
    return {"type": "function", "function": {key: value for key, value in members.items() if value is not None}}


_ROLE: Final = {"role": "assistant", "content": ""}
_FIRST_CALL: Final = _call(id="c1", **_function("weather", ARGUMENTS))
_SECOND_CALL: Final = _call(id="c2", **_function("weather", ARGUMENTS))
RECORDED: Final[dict[str, Recorded]] = {
    "openai": Recorded(
        [
            _chunk(_ROLE | {"refusal": None}, service_tier="default", obfuscation="x1", usage=None),
            _chunk({"content": "Hi"}, service_tier="default", obfuscation="AbC", usage=None),
            _chunk({"content": " there"}, service_tier="default", obfuscation="", usage=None),
            _chunk({}, "stop", service_tier="default", obfuscation="zz", usage=None),
            _HEAD
            | {
                "choices": [],
                "usage": _usage(
                    prompt_tokens_details={"cached_tokens": 4, "audio_tokens": 0},
                    completion_tokens_details={"reasoning_tokens": 1, "accepted_prediction_tokens": 0},
                ),
            },
        ],
        usage=(9, 2, 4, 1),
    ),
    "openai: refusal": Recorded(
        [
            _chunk(_ROLE | {"refusal": None}),
            _chunk({"refusal": "I can"}),
            _chunk({"refusal": "not."}),
            _chunk({}, "stop"),
            _HEAD | {"choices": [], "usage": _usage()},
        ],
        text="I cannot.",
    ),
    "openai: annotations": Recorded(
        [
            _chunk(_ROLE),
            _chunk({"content": "Hi there", "annotations": [{"type": "url_citation", "url_citation": {"url": "x"}}]}),
            _chunk({}, "stop"),
            _HEAD | {"choices": [], "usage": _usage()},
        ]
    ),
    "openai: tool calls": Recorded(
        [
            _chunk(
                {"role": "assistant", "content": None, "tool_calls": [_call(id="call_1", **_function("weather", ""))]}
            ),
            _chunk({"tool_calls": [_call(function={"arguments": '{"city"'})]}),
            _chunk({"tool_calls": [_call(function={"arguments": ': "Rome"}'})]}),
            _chunk({"tool_calls": [_call(1, id="call_2", **_function("weather", ""))]}),
            _chunk({"tool_calls": [_call(1, function={"arguments": ARGUMENTS})]}),
            _chunk({}, "tool_calls"),
            _HEAD | {"choices": [], "usage": _usage()},
        ],
        text="",
        calls=(*CALL, *CALL),
        reason="tool_calls",
    ),
    "azure": Recorded(
        [
            _HEAD
            | {"id": "", "model": "", "choices": [], "prompt_filter_results": [{"content_filter_results": _FILTER}]},
            _chunk(_ROLE, choice={"content_filter_results": {}, "logprobs": None}),
            _chunk({"content": "Hi"}, choice={"content_filter_results": _FILTER}),
            _chunk({"content": " there"}, choice={"content_filter_results": _FILTER}),
            _chunk({}, "stop", choice={"content_filter_results": {}}),
            _HEAD | {"choices": [{"index": 0, "finish_reason": None, "content_filter_offsets": {"end_offset": 8}}]},
            _HEAD | {"choices": [], "usage": _usage()},
        ]
    ),
    "azure: filtered": Recorded(
        [_chunk({"content": "Hi there"}), _chunk({}, "content_filter"), _HEAD | {"choices": [], "usage": _usage()}],
        reason="content_filter",
    ),
    "vllm: usage in every chunk": Recorded(
        [
            _chunk(_ROLE, usage=_usage(9, 0)),
            _chunk({"reasoning": "Hm", "reasoning_content": "Hm"}, usage=_usage(9, 1)),
            _chunk({"content": "Hi", "reasoning_content": None}, usage=_usage(9, 2)),
            _chunk({"content": " there"}, choice={"token_ids": None}, usage=_usage(9, 3)),
            _chunk({"content": ""}, "stop", choice={"stop_reason": None}, usage=_usage(9, 4)),
            _HEAD | {"choices": [], "usage": _usage(9, 4, prompt_tokens_details=None)},
        ],
        reasoning="Hm",
        usage=(9, 4, 0, 0),
    ),
    "vllm: a named tool": Recorded(
        [
            _chunk(_ROLE),
            _chunk({"tool_calls": [_call(id="chatcmpl-tool-1", **_function("weather", '{"city"'))]}),
            _chunk({"tool_calls": [_call(**_function(None, ': "Rome"}'))]}),
            _chunk({"content": ""}, "stop"),
            _HEAD | {"choices": [], "usage": _usage()},
        ],
        text="",
        calls=tuple(CALL),
        reason="tool_calls",
    ),
    "sglang": Recorded(
        [
            _chunk(_ROLE | {"reasoning_content": None, "tool_calls": None}, choice={"matched_stop": None}),
            _chunk({"role": None, "content": None, "reasoning_content": "Hm", "tool_calls": None}),
            _chunk({"role": None, "content": "Hi there", "reasoning_content": None, "tool_calls": None}),
            _chunk({"content": None}, "stop", choice={"matched_stop": 151645}),
            _HEAD | {"choices": [], "usage": _usage(reasoning_tokens=1, prompt_tokens_details={"cached_tokens": 8})},
        ],
        reasoning="Hm",
        usage=(9, 2, 8, 1),
    ),
    "llama.cpp": Recorded(
        [
            _chunk({"role": "assistant", "content": None}),
            _chunk({"content": "Hi"}),
            _chunk({"content": " there"}),
            _chunk({}, "stop"),
            _HEAD | {"choices": [], "usage": _usage(), "timings": {"predicted_ms": 1.5, "cache_n": 3}},
        ]
    ),
    "ollama": Recorded(
        [
            _chunk({"role": "assistant", "content": "", "reasoning": "Hm"}, system_fingerprint="fp_ollama"),
            _chunk({"role": "assistant", "content": "Hi"}, system_fingerprint="fp_ollama"),
            _chunk({"role": "assistant", "content": " there"}, system_fingerprint="fp_ollama"),
            _chunk({"role": "assistant", "content": ""}, "stop", system_fingerprint="fp_ollama"),
            _HEAD | {"choices": [], "usage": _usage()},
        ],
        reasoning="Hm",
    ),
    "ollama: whole calls, all with the index 0": Recorded(
        [
            _chunk(
                {"role": "assistant", "content": "", "tool_calls": [_call(id="c1", **_function("weather", ARGUMENTS))]}
            ),
            _chunk(
                {"role": "assistant", "content": "", "tool_calls": [_call(id="c2", **_function("weather", ARGUMENTS))]}
            ),
            _chunk({"role": "assistant", "content": ""}, "tool_calls"),
            _HEAD | {"choices": [], "usage": _usage()},
        ],
        text="",
        calls=(*CALL, *CALL),
        reason="tool_calls",
    ),
    "calls without ids, all with the index 0": Recorded(
        [
            _chunk({"tool_calls": [_call(**_function("weather", ARGUMENTS))]}),
            _chunk({"tool_calls": [_call(**_function("time", "{}"))]}, "stop"),
        ],
        text="",
        calls=(*CALL, ("time", "{}")),
        reason="tool_calls",
        usage=None,
    ),
    "calls without indices and ids, arguments as objects": Recorded(
        [
            _chunk({"tool_calls": [_call(None, **_function("weather", {"city": "Rome"}))]}),
            _chunk({"tool_calls": [_call(None, **_function("time", {}))]}),
            _chunk({}, "tool_calls"),
        ],
        text="",
        calls=(("weather", '{"city":"Rome"}'), ("time", "{}")),
        reason="tool_calls",
        usage=None,
    ),
    "a call without arguments": Recorded(
        [_chunk({"tool_calls": [_call(id="c1", **_function("time"))]}), _chunk({}, "tool_calls")],
        text="",
        calls=(("time", "{}"),),
        reason="tool_calls",
        usage=None,
    ),
    "the finish reason of calls without a call": Recorded(
        [_chunk({"content": "Hi there"}), _chunk({"tool_calls": []}, "tool_calls", usage=_usage())]
    ),
    "mistral": Recorded(
        [
            _chunk({"role": "assistant", "content": ""}),
            _chunk({"content": [{"type": "thinking", "thinking": [{"type": "text", "text": "H"}]}]}),
            _chunk({"content": [{"type": "thinking", "thinking": [{"type": "text", "text": "m"}]}]}),
            _chunk({"content": [{"type": "text", "text": "Hi "}, {"type": "reference", "reference_ids": [1]}]}),
            _chunk({"content": "there"}, "stop", usage=_usage()),
        ],
        reasoning="Hm",
    ),
    "empty finish reasons": Recorded(
        [
            _chunk(_ROLE, ""),
            _chunk({"content": "Hi"}, ""),
            _chunk({"content": " there"}, ""),
            _chunk({"content": ""}, "stop", usage=_usage()),
        ]
    ),
    "reasons of other servers": Recorded(
        [_chunk({"content": "Hi there"}, "MAX_TOKENS", usage=_usage())], reason="length"
    ),
    "keep-alives without choices": Recorded(
        [
            _HEAD | {"choices": []},
            _chunk({"content": "Hi"}),
            _HEAD | {"choices": [], "usage": None},
            _chunk({"content": " there"}, "stop"),
            _HEAD | {"choices": [], "usage": _usage()},
        ]
    ),
    "a choice without an index": Recorded(
        [
            _HEAD | {"choices": [{"delta": {"content": "Hi"}}]},
            _HEAD | {"choices": [{"index": None, "delta": {"content": " there"}, "finish_reason": "eos"}]},
        ],
        usage=None,
    ),
    "usage under the other naming": Recorded(
        [
            _chunk({"content": "Hi there"}, "end_turn"),
            _HEAD
            | {
                "choices": [],
                "usage": {
                    "input_tokens": 9,
                    "output_tokens": 2,
                    "input_tokens_details": {"cached_tokens": 3},
                    "output_tokens_details": {"reasoning_tokens": 1},
                },
            },
        ],
        usage=(9, 2, 3, 1),
    ),
    "openrouter": Recorded(
        [
            _chunk(_ROLE | {"reasoning": "Hm", "reasoning_details": [{"type": "reasoning.text"}]}, provider="P"),
            _chunk(
                {"role": "assistant", "content": "Hi there", "reasoning": None}, choice={"native_finish_reason": None}
            ),
            _chunk({"role": "assistant", "content": ""}, "stop", choice={"native_finish_reason": "end_turn"}),
            _HEAD | {"choices": [], "usage": _usage(cost=0.01, is_byok=False)},
        ],
        reasoning="Hm",
    ),
    "a whole message": Recorded(
        [
            {
                "id": "x",
                "object": "chat.completion",
                "choices": [{"message": {"role": "assistant", "content": "Hi there"}, "finish_reason": "stop"}],
                "usage": _usage(),
            }
        ]
    ),
    "a completion of a text": Recorded(
        [
            {"object": "text_completion", "choices": [{"index": 0, "text": "Hi", "finish_reason": None}]},
            {"object": "text_completion", "choices": [{"index": 0, "text": " there", "finish_reason": "length"}]},
            {"object": "text_completion", "choices": [], "usage": _usage()},
        ],
        reason="length",
    ),
}
