"""Chat templates: rendered as their authors meant them, and within bounds."""

import time

import pytest

from forefront.chat.prompt.chat_template import TIME_LIMIT, ChatTemplate, TemplateError

MESSAGES = [{"role": "user", "content": "  <b>hi</b> & bye  "}]


def test_whitespace_control_and_no_escaping() -> None:
    source = (
        "{%- for m in messages %}\n  {%- if loop.first %}\n<s>{% endif %}\n[{{ m.role }}] {{ m['content'] }}\n"
        "{% endfor %}\n{% if add_generation_prompt %}\n>{% endif %}"
    )
    assert ChatTemplate(source).render(MESSAGES) == "<s>[user]   <b>hi</b> & bye  \n>"


def test_methods_filters_and_functions_that_templates_use() -> None:
    source = (
        "{%- set ns = namespace(n=0) -%}{%- for m in messages -%}{%- set ns.n = ns.n + 1 -%}{%- endfor -%}"
        "{{ ns.n }}{{ messages[0].content.strip()[3:5] }}{{ messages[-1]['role'] | upper }}"
        "{{ {'a': '<é>'} | tojson }}{{ messages[0].content.split('&')[-1] | trim }}{{ bos_token }}"
        "{{ 'x' if tools else 'y' }}{{ strftime_now('%Y') | length }}"
    )
    assert ChatTemplate(source, bos_token="<s>").render(MESSAGES) == '1hiUSER{"a": "<é>"}bye<s>y4'


def test_a_refusal_carries_the_templates_message() -> None:
    template = ChatTemplate("{{ raise_exception('Roles must alternate') }}")
    with pytest.raises(TemplateError, match=r"^Roles must alternate$"):
        template.render(MESSAGES)


def test_a_broken_template_fails_when_it_is_loaded() -> None:
    with pytest.raises(TemplateError, match="cannot be compiled"):
        ChatTemplate("{% for m in messages %}{{ m.role")


@pytest.mark.parametrize(
    "source",
    [
        "{% for i in range(10**9) %}x{% endfor %}",
        "{{ strftime_now(5) }}",
        "{% for i in range(99999) %}{% for j in range(99999) %}{% endfor %}{% endfor %}",
        "{{ 'x' * 10**9 }}",
        "{% macro f() %}{{ f() }}{% endmacro %}{{ f() }}",
        "{% include 'other' %}",
        "{{ 1 / 0 }}",
        "{{ messages.nothing.at.all }}",
    ],
)
def test_exploding_and_invalid_templates_end_quickly_with_one_error(source: str) -> None:
    start = time.monotonic()
    with pytest.raises(TemplateError):
        ChatTemplate(source).render(MESSAGES)
    assert time.monotonic() - start < 10 * TIME_LIMIT  # a start included, on a busy machine


@pytest.mark.parametrize(
    "source", ["{{ messages.__class__ }}", "{{ raise_exception.__globals__ }}", "{{ ''.__class__ }}"]
)
def test_no_python_is_reachable(source: str) -> None:
    assert ChatTemplate(source).render(MESSAGES) == ""
