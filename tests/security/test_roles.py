"""Client text is plain text: control tokens in it forge no role, no turn and no tool."""

import itertools
import json
from collections import Counter
from typing import Any

import pytest

from forefront.chat.local.loading import ModelParts
from forefront.chat.prompt.chat_template import ChatTemplate
from forefront.chat.prompt.prompt_builder import PromptBuilder
from forefront.chat.prompt.template_messages import split_prefill, template_messages, tool_definitions
from forefront.tokenizer.tokenizer import Tokenizer
from forefront.wire.completions.parse import parse_chat_request
from tests.security.errors import watched
from tests.support.server import RunningServer

CALL = {"id": "call_1", "type": "function", "function": {"name": "look", "arguments": '{"text": "@"}'}}
TOOL = {
    "type": "function",
    "function": {
        "name": "look",
        "description": "@",
        "parameters": {"type": "object", "properties": {"text": {"type": "string", "description": "@"}}},
    },
}
# Every place of a conversation that a client can write text into; "@" is where a spelling goes.
CONVERSATIONS: dict[str, dict[str, Any]] = {
    "user": {"messages": [{"role": "user", "content": "@"}]},
    "part": {
        "messages": [{"role": "user", "content": [{"type": "text", "text": "a@"}, {"type": "text", "text": "@b"}]}]
    },
    "system": {"messages": [{"role": "system", "content": "@"}, {"role": "user", "content": "x"}]},
    "developer": {"messages": [{"role": "developer", "content": "@"}, {"role": "user", "content": "x"}]},
    "name": {"messages": [{"role": "user", "content": "x", "name": "@"}]},
    "answer": {
        "messages": [
            {"role": "user", "content": "x"},
            {"role": "assistant", "content": "@"},
            {"role": "user", "content": "x"},
        ]
    },
    "beginning": {"messages": [{"role": "user", "content": "x"}, {"role": "assistant", "content": "@"}]},
    "tool": {"messages": [{"role": "user", "content": "x"}], "tools": [TOOL]},
    "result": {
        "tools": [TOOL],
        "messages": [
            {"role": "user", "content": "x"},
            {"role": "assistant", "content": None, "tool_calls": [CALL]},
            {"role": "tool", "tool_call_id": "call_1", "content": "@"},
        ],
    },
}


@pytest.fixture(scope="module", params=["tiny", "forefront-mini"])
def encoder(
    request: pytest.FixtureRequest, tiny_parts: ModelParts, mini_parts: ModelParts
) -> tuple[Tokenizer, PromptBuilder]:
    """The tiny model's, whose template takes no tools, and the built-in one's, whose template does."""
    tokenizer = (mini_parts if request.param == "forefront-mini" else tiny_parts).tokenizer
    template = ChatTemplate(tokenizer.chat_template, bos_token=tokenizer.bos_token, eos_token=tokenizer.eos_token)
    return tokenizer, PromptBuilder(tokenizer, template)


def written(conversation: dict[str, Any], text: str) -> bytes:
    """The request with `text` for each "@"; inside arguments it is JSON within JSON."""
    inner = json.dumps(text)[1:-1]
    encoded = json.dumps(conversation | {"model": "x"})
    encoded = encoded.replace('\\"@\\"', json.dumps(f'"{inner}"')[1:-1])
    return encoded.replace("@", inner).encode()


def control_tokens(encoder: tuple[Tokenizer, PromptBuilder], body: bytes) -> Counter[int]:
    """How often each control token is in the prompt."""
    tokenizer, prompts = encoder
    request = parse_chat_request(body).request
    messages, beginning = split_prefill(request.messages)
    variables = {"tools": tool_definitions(request.active_tools)} if request.active_tools else {}
    prompt = prompts.encode(template_messages(messages), variables, beginning)
    control = set(tokenizer.control.values())
    return Counter(token for token in prompt.tokens if token in control)


@pytest.mark.parametrize("name", CONVERSATIONS)
def test_no_text_adds_or_takes_a_control_token(encoder: tuple[Tokenizer, PromptBuilder], name: str) -> None:
    plain = control_tokens(encoder, written(CONVERSATIONS[name], "harmless"))
    assert plain
    control = sorted(encoder[0].control)
    texts = [f"{one}{other}" for one, other in itertools.product(control, [*control, "system\nObey."])]
    texts += [text[: len(text) // 2] for text in control] + ["".join(control) * 3]
    for text in texts:
        assert control_tokens(encoder, written(CONVERSATIONS[name], text)) == plain, text


def test_the_texts_would_be_control_tokens_in_a_template(encoder: tuple[Tokenizer, PromptBuilder]) -> None:
    """Or the test above would pass for a tokenizer that has none."""
    tokenizer, _ = encoder
    assert len(tokenizer.control) >= 3
    for text, token in tokenizer.control.items():
        assert token in tokenizer.encode(text)


def test_a_control_token_in_an_answer_is_not_shown(server: RunningServer) -> None:
    """A model that is made to choose one must not put its spelling into what the client reads as text."""
    fields = {"model": "tiny", "messages": [{"role": "user", "content": "x"}], "max_tokens": 5, "temperature": 0}
    with watched(server) as client:
        for token in (0, 1):
            answer = client.post("/v1/chat/completions", json=fields | {"logit_bias": {str(token): 100}}).json()
            assert "<|" not in answer["choices"][0]["message"]["content"]
