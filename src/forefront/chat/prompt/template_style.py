"""Detects how a chat template takes calls and their results, by rendering a conversation with both."""

import json
import re
from collections.abc import Iterator, Mapping
from dataclasses import replace
from typing import Any, Final

import msgspec

from forefront.chat.prompt.chat_template import ChatTemplate, TemplateError
from forefront.chat.prompt.template_messages import TemplateStyle, template_messages
from forefront.chat.tools.formats.named import SectionFormat
from forefront.chat.tools.tool_format import ToolFormat
from forefront.wire.completions.message import Message

_IN_MESSAGE: Final = re.compile(r"""\bmessage(\.tools\b|\[["']tools["']\])""")
_THINKING: Final = re.compile(r"""\.thinking\b|\[["']thinking["']\]|["']thinking["']\s+in\b""")
_TOOL: Final = {
    "type": "function",
    "function": {"name": "probe_tool", "description": "?", "parameters": {"type": "object", "properties": {}}},
}
_NAME: Final = "probe_function"
_SYSTEM: Final = "probe-system"
_PLACES: Final = ("probe-place-1", "probe-place-2")
_CUT_OFF: Final = ("probe-cut-off-1", "probe-cut-off-2")
_TEXT: Final = "probe-text"
_RESULTS: Final = ("probe-result-1", "probe-result-2")


def find_template_style(template: ChatTemplate, form: ToolFormat | None, *, harmony: bool = False) -> TemplateStyle:
    """The first style in which the template shows two calls with their results."""
    shared: dict[str, Any] = {
        "thinking": bool(_THINKING.search(template.source)),
        "exclusive": harmony,
        "tools_in_message": bool(_IN_MESSAGE.search(template.source)),
        "tool_variables": tuple(name for name in ("tools", "xml_tools") if template.mentions(name)),
    }
    if form is None and not harmony:
        return TemplateStyle(**shared)
    styles = [TemplateStyle(**shared, **style) for style in _candidates(form)]
    own = [style for style in styles if style.written is None]
    # Some templates show calls only if tools are given.
    offered = {name: [_TOOL] for name in shared["tool_variables"]}
    attempts: list[tuple[TemplateStyle, dict[str, Any]]] = [(style, {}) for style in own] + [
        (style, offered) for style in own
    ]
    attempts += [(style, {}) for style in styles if style.written is not None]
    found = ((style, variables) for style, variables in attempts if _shows(template, style, variables))
    style, variables = next(found, (TemplateStyle(**shared), {}))
    if style.written is not None:
        return style
    with_text, apart = replace(style, text_fallback=True), replace(style, text_apart=True)
    if _shows_cut_off(template, with_text, variables):
        style, apart = with_text, replace(with_text, text_apart=True)
    beside = harmony or _shows_text(template, style, variables) or not _shows_text(template, apart, variables)
    return style if beside else apart


def find_described_style(template: ChatTemplate, form: ToolFormat) -> TemplateStyle:
    """The style of a template without a place for tools, or with calls of an unknown kind: calls are text in the format
    `form`, and the server describes the tools."""
    style = TemplateStyle(
        thinking=bool(_THINKING.search(template.source)),
        tool_variables=(),
        written=form,
        described="system" if _shows_system(template) else "user",
    )
    if template.mentions("tool") and _shows(template, style, {}):
        return style
    return replace(style, user_results=True)


def _shows_system(template: ChatTemplate) -> bool:
    return _SYSTEM in _rendered(template, [{"role": "system", "content": _SYSTEM}, {"role": "user", "content": "?"}])


def _candidates(form: ToolFormat | None) -> Iterator[Mapping[str, Any]]:
    if isinstance(form, SectionFormat) and form.counted:
        for text_arguments in (False, True):
            yield {"text_arguments": text_arguments, "counted_ids": True}
    for text_arguments in (False, True):
        for single in (False, True):
            for short_ids in (False, True):
                yield {"text_arguments": text_arguments, "single": single, "short_ids": short_ids}
    for user_results in (False, True):
        yield {"written": form, "user_results": user_results}


def _shows(template: ChatTemplate, style: TemplateStyle, variables: Mapping[str, Any]) -> bool:
    prompt = _rendered(template, template_messages(_conversation(), style), variables)
    # An object printed in Python syntax has single quotes.
    shown = all(text in prompt for text in (_NAME, *_PLACES, *_RESULTS))
    return shown and "{'place': 'probe-place-1'}" not in prompt and json.dumps('{"place"')[1:-1] not in prompt


def _shows_cut_off(template: ChatTemplate, style: TemplateStyle, variables: Mapping[str, Any]) -> bool:
    """Whether the template takes arguments that are no JSON, as text."""
    prompt = _rendered(template, template_messages(_conversation(*_CUT_OFF), style), variables)
    return all(text in prompt for text in (*_CUT_OFF, *_RESULTS))


def _shows_text(template: ChatTemplate, style: TemplateStyle, variables: Mapping[str, Any]) -> bool:
    """Whether the template shows a text beside calls, and all else."""
    prompt = _rendered(template, template_messages(_conversation(text=_TEXT), style), variables)
    return all(text in prompt for text in (_TEXT, _NAME, *_RESULTS))


def _rendered(
    template: ChatTemplate, messages: list[dict[str, Any]], variables: Mapping[str, Any] | None = None
) -> str:
    """The prompt; empty if the template refuses the messages."""
    try:
        return template.render(messages, variables)
    except TemplateError:
        return ""


def _conversation(*arguments: str, text: str | None = None) -> list[Message]:
    """A question, two calls, with a text beside them, and their results."""
    arguments = arguments or tuple(json.dumps({"place": place}) for place in _PLACES)
    calls = [
        {"id": f"call_{number}", "function": {"name": _NAME, "arguments": text}}
        for number, text in enumerate(arguments)
    ]
    results = [
        {"role": "tool", "tool_call_id": f"call_{number}", "content": text} for number, text in enumerate(_RESULTS)
    ]
    question = {"role": "user", "content": "?"}
    return msgspec.convert(
        [question, {"role": "assistant", "content": text, "tool_calls": calls}, *results], list[Message]
    )
