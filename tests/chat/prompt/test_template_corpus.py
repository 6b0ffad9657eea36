"""Templates of many families render as `transformers` renders them: by Jinja2 in its environment."""

import json
from datetime import datetime
from typing import Any, NoReturn

import pytest
from jinja2 import TemplateError as JinjaTemplateError
from jinja2 import nodes
from jinja2.ext import Extension, loopcontrols
from jinja2.sandbox import ImmutableSandboxedEnvironment

from forefront.chat.prompt.chat_template import ChatTemplate, TemplateError
from tests.chat.template_corpus import CORPUS

TOOLS = [
    {
        "type": "function",
        "function": {
            "name": "get_weather",
            "description": "Météo <now> & 'then'",
            "parameters": {
                "type": "object",
                "properties": {"city": {"type": "string"}, "days": {"type": "integer", "default": 1}},
                "required": ["city"],
            },
        },
    }
]
SYSTEM = {"role": "system", "content": "Be brief. /no_think"}
QUESTION = {"role": "user", "content": "  How are you, «Ève»? <b>&</b>\n"}
ANSWER = {"role": "assistant", "content": "<think>\nHm\n</think>\n\nWell.", "reasoning_content": "Hm"}
CALL = {
    "role": "assistant",
    "content": "",
    "tool_calls": [
        {"id": "abcdefghi", "type": "function", "function": {"name": "get_weather", "arguments": {"city": "Nîmes"}}}
    ],
}
RESULT = {"role": "tool", "content": '{"sky": "clear"}', "tool_call_id": "abcdefghi", "name": "get_weather"}
CONVERSATIONS: dict[str, tuple[list[dict[str, Any]], dict[str, Any]]] = {
    "question": ([QUESTION], {}),
    "system": ([SYSTEM, QUESTION], {}),
    "turns": ([QUESTION, ANSWER, QUESTION], {"enable_thinking": False}),
    "tools": ([SYSTEM, QUESTION, CALL, RESULT, QUESTION], {"tools": TOOLS}),
    "none": ([], {}),
}


class Generation(Extension):
    """The block that marks what a model is trained on."""

    tags = {"generation"}  # noqa: RUF012

    def parse(self, parser: Any) -> nodes.Node:
        line = next(parser.stream).lineno
        body = parser.parse_statements(("name:endgeneration",), drop_needle=True)
        return nodes.CallBlock(self.call_method("shown"), [], [], body, lineno=line)

    def shown(self, caller: Any) -> str:
        text: str = caller()
        return text


def refuse(message: str) -> NoReturn:
    raise JinjaTemplateError(message)


def to_json(
    value: Any, ensure_ascii: bool = False, indent: Any = None, separators: Any = None, sort_keys: bool = False
) -> str:
    return json.dumps(value, ensure_ascii=ensure_ascii, indent=indent, separators=separators, sort_keys=sort_keys)


def reference(source: str) -> Any:
    """The template in the environment that `transformers` documents."""
    environment = ImmutableSandboxedEnvironment(
        trim_blocks=True, lstrip_blocks=True, extensions=[Generation, loopcontrols]
    )
    environment.filters["tojson"] = to_json
    environment.globals["raise_exception"] = refuse
    environment.globals["strftime_now"] = datetime.now().astimezone().strftime
    return environment.from_string(source)


def test_the_corpus_has_fifty_templates() -> None:
    assert len(CORPUS) >= 50


@pytest.mark.parametrize("family", CORPUS)
def test_rendering_matches_transformers(family: str) -> None:
    expected, rendered = reference(CORPUS[family]), 0
    template = ChatTemplate(CORPUS[family], bos_token="<s>", eos_token="</s>")
    for messages, variables in CONVERSATIONS.values():
        given = {"messages": messages, "tools": None, "bos_token": "<s>", "eos_token": "</s>"}
        given |= {"add_generation_prompt": True} | variables
        try:
            text = expected.render(**given)
        except Exception as error:
            with pytest.raises(TemplateError) as raised:
                template.render(messages, variables)
            assert "\n" not in str(raised.value)
            if isinstance(error, JinjaTemplateError):
                assert str(raised.value) == str(error)
            continue
        assert template.render(messages, variables) == text
        rendered += 1
    assert rendered >= 2, "most conversations are taken"
