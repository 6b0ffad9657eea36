"""Every request parameter of the `openai` and `anthropic` packages, by their types: each is honoured, refused by name
or known to have no effect. A new version of a package fails here with the parameters that it adds."""

import json
import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any, get_type_hints

import pytest
from anthropic.types import message_count_tokens_params, message_create_params
from openai.types import completion_create_params, embedding_create_params
from openai.types.chat import completion_create_params as chat_create_params
from openai.types.responses import input_token_count_params, response_create_params

from forefront.server.messages.api import COUNT_TOKENS, MESSAGES
from forefront.server.responses.api import parse_input_tokens_request, parse_response_request
from forefront.wire.completions.parse import parse_chat_request, parse_completion_request
from forefront.wire.completions.refused_fields import ADVICE
from forefront.wire.errors import RequestError
from forefront.wire.parse_embeddings import parse_embedding_request
from tests.support.server import RunningServer
from tests.support.type_samples import samples

# Members without effect: hints to a cache, and what concerns the client or a provider alone.
NO_EFFECT = ADVICE | {
    "allowed_callers", "async", "cache_control", "context", "diagnostics", "mode", "output_schema", "personality",
    "prompt_cache_breakpoint", "ttl", "user_id", "user_profile_id", "workspace_id",
}  # fmt: skip
# Values that the packages declare and that are refused, by field.
REFUSED_VALUES = {"truncation"}
MESSAGES_OF_USER = [{"role": "user", "content": "Hi"}]
SCHEMA: dict[str, Any] = {"type": "object", "properties": {}}
CHAT_TOOL = {"type": "function", "function": {"name": "text", "parameters": SCHEMA}}
RESPONSE_TOOL = {"type": "function", "name": "text", "parameters": SCHEMA}
MESSAGES_TOOL = {"name": "text", "input_schema": SCHEMA}


@dataclass(frozen=True)
class Api:
    """An endpoint: its parser, the package's type of its body, the required fields, and other fields that a parameter
    needs."""

    path: str
    parse: Callable[[bytes], Any]
    kind: Any
    base: dict[str, Any]
    needed: dict[str, dict[str, Any]]

    def bodies(self) -> Iterator[tuple[str, dict[str, Any]]]:
        """Each parameter with each of its sample values, beside the required ones."""
        for name, hint in get_type_hints(self.kind, include_extras=True).items():
            if name in ("model", "stream"):
                continue
            values = {json.dumps(value): value for value in samples(hint)}
            for value in values.values():
                fields = self.base | self.needed.get(name, {})
                if name == "max_completion_tokens":
                    del fields["max_tokens"]
                yield name, fields | {name: value}


BODY: dict[str, Any] = {"model": "tiny", "messages": MESSAGES_OF_USER, "max_tokens": 1}
INPUT: dict[str, Any] = {"model": "tiny", "input": "Hi"}
STREAMED: dict[str, dict[str, Any]] = {"stream_options": {"stream": True}}
OF_CHAT: dict[str, dict[str, Any]] = {
    "top_logprobs": {"logprobs": True},
    "tool_choice": {"tools": [CHAT_TOOL]},
    "function_call": {"functions": [CHAT_TOOL["function"]]},
}
OF_RESPONSES: dict[str, dict[str, Any]] = {
    "top_logprobs": {"include": ["message.output_text.logprobs"]},
    "tool_choice": {"tools": [RESPONSE_TOOL]},
    "background": {"store": True},
}
OF_MESSAGES: dict[str, dict[str, Any]] = {"tool_choice": {"tools": [MESSAGES_TOOL]}}
APIS = [
    Api("/v1/chat/completions", parse_chat_request, chat_create_params.CompletionCreateParamsNonStreaming, BODY,
        STREAMED | OF_CHAT),
    Api("/v1/completions", parse_completion_request, completion_create_params.CompletionCreateParamsNonStreaming,
        {"model": "tiny", "prompt": "Hi", "max_tokens": 1}, STREAMED),
    Api("/v1/embeddings", parse_embedding_request, embedding_create_params.EmbeddingCreateParams, INPUT, {}),
    Api("/v1/responses", parse_response_request, response_create_params.ResponseCreateParamsNonStreaming,
        INPUT | {"max_output_tokens": 1}, STREAMED | OF_RESPONSES),
    Api("/v1/responses/input_tokens", parse_input_tokens_request, input_token_count_params.InputTokenCountParams, INPUT,
        OF_RESPONSES),
    Api("/v1/messages", MESSAGES.parse, message_create_params.MessageCreateParamsNonStreaming, BODY, OF_MESSAGES),
    Api("/v1/messages/count_tokens", COUNT_TOKENS.parse, message_count_tokens_params.MessageCountTokensParams,
        {"model": "tiny", "messages": MESSAGES_OF_USER}, OF_MESSAGES),
]  # fmt: skip


@pytest.mark.parametrize("api", APIS, ids=lambda api: api.path)
def test_every_parameter_is_honoured_or_refused_by_name(api: Api, server: RunningServer) -> None:
    faults = set[str]()
    accepted: dict[str, list[dict[str, Any]]] = {}
    for name, body in api.bodies():
        try:
            parsed = api.parse(json.dumps(body).encode())
        except RequestError as error:
            if not (error.param or "").startswith(name):
                faults.add(f"{name}: the error names {error.param}: {error.message}")
            elif " cannot be " in error.message and error.param not in REFUSED_VALUES:
                faults.add(f"{name}: {error.message}")
            continue
        accepted.setdefault(name, []).append(body)
        members = {re.sub(r"\[\d+\]", "", path).rpartition(".")[2] for path in parsed.ignored}
        faults |= {f"{name}: {member} has no effect" for member in members - NO_EFFECT}
    with server.client() as client:
        for name, bodies in accepted.items():
            for body in bodies[:20]:
                answer = client.post(api.path, json=body)
                # The parsers know neither the model, which makes no embeddings, nor what is stored.
                named = name in answer.text or "makes no embeddings" in answer.text
                if answer.status_code >= 500 or (answer.status_code != 200 and not named):
                    faults.add(f"{name}: {answer.status_code} {answer.text}")
    assert len(accepted) >= 4
    assert sorted(faults) == []
