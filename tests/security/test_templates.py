"""A chat template is an untrusted program: it has no access, and only a child process fails."""

import resource
import threading
from pathlib import Path

import pytest

from forefront.chat.prompt.chat_template import ChatTemplate, TemplateError
from tests.security.errors import check_error
from tests.support.models.random_model import CHATML, write_random_gguf
from tests.support.server import run_server

MESSAGES = [{"role": "user", "content": "boom"}]
NESTED = "{% set ns = namespace(s=[1]) %}{% for i in range(40) %}{% set ns.s = [ns.s, ns.s] %}{% endfor %}"
# Some end by themselves within the limits, most do not; none may do more than that.
BOMBS = {
    "doubled-text": "{% set ns = namespace(s='x' * 1024) %}{% for i in range(60) %}"
    "{% set ns.s = ns.s ~ ns.s %}{% endfor %}{{ ns.s }}",
    "nested-text": NESTED + "{{ ns.s | string | length }}",
    "nested-json": NESTED + "{{ ns.s | tojson | length }}",
    "chained": "{% set ns = namespace(s=[1]) %}{% for i in range(40) %}{% set ns.s = ns.s + ns.s %}{% endfor %}"
    "{{ ns.s | list | length }}",
    "replaced": "{% set ns = namespace(s='x' * 16) %}{% for i in range(8) %}"
    "{% set ns.s = ns.s | replace('x', 'x' * 16) %}{% endfor %}{{ ns.s }}",
    "indented": "{{ ('a\n' * 1000) | indent(10 ** 6) }}",
    "indented-json": "{{ [[1]] | tojson(indent=10 ** 9) }}",
    "formatted": "{{ '%1000000000d' | format(messages | length) }}",
    "formatted-by-method": "{{ '{:1000000000}'.format(messages | length) }}",
    "joined": "{{ range(100000) | join('x' * 10000) }}",
    "written": "{% set s = 'x' * 1000000 %}{% for i in range(2000) %}{{ s }}{% endfor %}",
    "loop": "{% for i in range(99999) %}{% for j in range(99999) %}{% endfor %}{% endfor %}",
}
REACHES = [
    "{{ messages.__class__.__mro__ }}",
    "{{ raise_exception.__globals__ }}",
    "{{ strftime_now.__self__ }}",
    "{{ cycler.__init__.__globals__.os.popen('id').read() }}",
    "{{ self.__init__.__globals__.__builtins__ }}",
    "{{ messages | attr('__class__') }}",
    "{{ messages | map(attribute='__class__.__base__') | list }}",
    "{{ ''.format.__globals__ }}",
    "{{ '{0.__class__.__init__.__globals__}'.format(messages) }}",
    "{{ lipsum.__globals__ }}",
    "{{ config }}{{ request.environ }}{{ environ }}",
    "{% import 'os' as os %}{{ os.environ }}",
    "{% include '/etc/passwd' %}",
    "{% extends '/etc/passwd' %}",
    "{{ debug() }}",
]


def peak() -> int:
    """The most memory that this process ever held, in MiB."""
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss // 1024


@pytest.mark.slow
@pytest.mark.parametrize("name", BOMBS)
def test_an_exploding_template_never_affects_the_next_rendering(name: str) -> None:
    template = ChatTemplate("{% if messages[0].content == 'boom' %}" + BOMBS[name] + "{% endif %}fine")
    assert template.render([{"role": "user", "content": "hi"}]) == "fine"
    before = peak()
    try:
        template.render(MESSAGES)
    except TemplateError as error:
        assert str(error)
    assert peak() - before < 300
    assert template.render([{"role": "user", "content": "hi"}]) == "fine"


@pytest.mark.parametrize(
    "source",
    [
        "{{ '%1000000000d' | format(5) }}",
        "{{ 'x' * 10**10 }}",
        "{{ " + "(" * 9999 + "}}",
        "{% if a %}" * 9999,
    ],
)
def test_an_exploding_constant_is_one_error(source: str) -> None:
    with pytest.raises(TemplateError):
        ChatTemplate(source).render(MESSAGES)


@pytest.mark.parametrize("source", REACHES)
def test_nothing_of_python_or_the_machine_is_reached(source: str) -> None:
    try:
        shown = ChatTemplate("{% if true %}" + source + "{% endif %}").render(MESSAGES)
    except TemplateError as error:
        shown = str(error)
    for word in ("<class", "built-in", "module", "root:", "uid=", "PATH", "sys", "Environment {"):
        assert word not in shown


@pytest.mark.slow
def test_a_grammar_bomb_in_a_server_fails_only_its_request(tmp_path: Path) -> None:
    path = tmp_path / "bomb.gguf"
    write_random_gguf(
        path, chat_template="{% if messages[0].content == 'boom' %}" + BOMBS["nested-text"] + "{% endif %}" + CHATML
    )
    fields = {"model": "bomb", "messages": MESSAGES, "max_tokens": 1}
    with run_server([f"bomb={path}"], tmp_path / "home") as server, server.client() as client, server.client() as other:
        answers: list[tuple[int, bytes]] = []

        def boom() -> None:
            response = client.post("/v1/chat/completions", json=fields)
            answers.append((response.status_code, response.content))

        thread = threading.Thread(target=boom)
        thread.start()
        served = 0
        while thread.is_alive():
            assert other.get("/v1/models").status_code == 200
            served += 1
        thread.join()
        [(status, body)] = answers
        assert check_error(status, body)["param"] == "messages"
        assert served > 10
        harmless = fields | {"messages": [{"role": "user", "content": "hi"}]}
        assert client.post("/v1/chat/completions", json=harmless).status_code == 200
