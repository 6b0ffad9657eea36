"""Models whose chat template has no place for tools: the prompt describes them, and calls and results are text."""

import json
from typing import Any

import msgspec
import pytest

from forefront.chat.local.loading import ModelParts
from forefront.chat.model_format import ModelFormat
from forefront.chat.prompt.chat_template import ChatTemplate
from forefront.wire.completions.message import Message
from forefront.wire.completions.tools import Tool
from tests.chat.template_corpus import CORPUS

WEATHER: dict[str, Any] = {
    "type": "function",
    "function": {"name": "get_weather", "parameters": {"type": "object", "properties": {"city": {"type": "string"}}}},
}
QUESTION = {"role": "user", "content": "Is it warm in Rome?"}
SYSTEM = {"role": "system", "content": "Be brief."}
CALLS = {
    "role": "assistant",
    "tool_calls": [
        {"id": f"call_{city}", "function": {"name": "get_weather", "arguments": json.dumps({"city": city})}}
        for city in ("Rome", "Oslo")
    ],
}
RESULTS = [{"role": "tool", "tool_call_id": f"call_{city}", "content": f"warm in {city}"} for city in ("Rome", "Oslo")]
# Of those, Gemma 2 and Llama 2 refuse roles that do not alternate, and Gemma 2 refuses a system message.
NAMES = ("chatml", "smollm2", "gemma", "gemma3", "phi3", "llama2", "llama3", "qwen2")


def render(parts: ModelParts, name: str, *messages: dict[str, Any], offered: bool = True) -> str:
    template = ChatTemplate(CORPUS[name], bos_token="<s>", eos_token="</s>")
    form = ModelFormat(template, parts.tokenizer)
    tools = msgspec.convert([WEATHER], list[Tool]) if offered else []
    shown = form.messages(msgspec.convert(messages, list[Message]), tools)
    return template.render(shown, form.variables(None, tools))


@pytest.mark.parametrize("name", NAMES)
def test_tools_are_described_once_and_only_where_they_are_offered(tiny_parts: ModelParts, name: str) -> None:
    prompt = render(tiny_parts, name, QUESTION)
    assert prompt.count('{"name":"get_weather"') + prompt.count('{"name": "get_weather"') == 1
    assert prompt.count("Is it warm in Rome?") == 1
    assert "<tool_call>" not in render(tiny_parts, name, QUESTION, offered=False)


@pytest.mark.parametrize("name", NAMES)
def test_calls_and_results_are_in_the_prompt_in_order(tiny_parts: ModelParts, name: str) -> None:
    prompt = render(tiny_parts, name, QUESTION, CALLS, *RESULTS, {"role": "assistant", "content": "Yes."}, QUESTION)
    places = [prompt.index(text) for text in ("Is it warm", '"Rome"', '"Oslo"', "warm in Rome\n</", "warm in Oslo\n</")]
    assert places == sorted(places)
    assert prompt.index("Yes.") > places[-1]


@pytest.mark.parametrize("name", [name for name in NAMES if name != "gemma"])
def test_the_clients_system_message_comes_first(tiny_parts: ModelParts, name: str) -> None:
    prompt = render(tiny_parts, name, SYSTEM, QUESTION)
    assert prompt.index("Be brief.") < prompt.index("get_weather") < prompt.index("Is it warm")
    assert prompt.count("Be brief.") == 1


def test_a_template_with_a_place_for_tools_keeps_it(mini_parts: ModelParts) -> None:
    template = ChatTemplate(mini_parts.tokenizer.chat_template or "")
    form = ModelFormat(template, mini_parts.tokenizer)
    tools = msgspec.convert([WEATHER], list[Tool])
    messages = msgspec.convert([QUESTION], list[Message])
    assert form.messages(messages, tools) == [QUESTION]
    assert "get_weather" in template.render([QUESTION], form.variables(None, tools))
