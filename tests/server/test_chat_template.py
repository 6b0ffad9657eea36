"""`forefront serve --chat-template`, and models whose file has no template."""

import json
import re
import subprocess
from pathlib import Path

import pytest

from forefront.catalog.sources.source import SourceError
from forefront.catalog.sources.template_override import read_chat_template, template_names
from forefront.chat.prompt.chat_template import ChatTemplate, TemplateError
from tests.cli.commands.in_process import run_here
from tests.support.models.random_encoder import ENCODERS, write_encoder
from tests.support.models.random_model import write_random_gguf
from tests.support.server import RunningServer, run_server

QUESTION = {"role": "user", "content": "Hello"}
FIELDS = {"model": "bare", "messages": [QUESTION], "max_tokens": 4}
# In the manner of Qwen 3.5, Gemma 2 with turns that alternate, and GPT-OSS, which leaves later messages out.
_SHOWN = "<{{ m.role }}>{{ m.content }}"
STRICT = {
    "first": "{% for m in messages %}{% if m.role == 'system' and not loop.first %}"
    "{{ raise_exception('System message must be at the beginning.') }}{% endif %}" + _SHOWN + "{% endfor %}",
    "alternating": "{% for m in messages %}{% if (m.role == 'user') != (loop.index0 % 2 == 0) %}"
    "{{ raise_exception('Conversation roles must alternate') }}{% endif %}" + _SHOWN + "{% endfor %}",
    "silent": "{% for m in messages %}{% if m.role != 'system' or loop.first %}" + _SHOWN + "{% endif %}{% endfor %}",
}
AGENT: list[dict[str, object]] = [
    {"role": "system", "content": "A"},
    {"role": "developer", "content": "B"},
    {"role": "assistant", "content": "C"},
    {"role": "user", "content": "D"},
    {"role": "user", "content": "E"},
    {"role": "assistant", "content": "F"},
    {"role": "system", "content": "G"},
    {"role": "user", "content": "H"},
    {"role": "system", "content": "I"},
]
ADAPTED = {
    "first": "<system>A\n\nB<assistant>C<user>D\nE<assistant>F<user>G\n\nH<user>I",
    "alternating": "<user>A\n\nB<assistant>C<user>D\nE<assistant>F<user>G\n\nH\n\nI",
    "silent": "<system>A\n\nB<assistant>C<user>D\nE<assistant>F<user>G\n\nH<user>I",
}


@pytest.fixture(scope="module")
def bare(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A model's file without a template."""
    path = tmp_path_factory.mktemp("bare") / "bare.gguf"
    write_random_gguf(path, chat_template=None)
    return path


def run_shown_command(server: RunningServer) -> None:
    """Run the cURL command of the first start: the first model answers it."""
    command = re.search(r"^  curl (?:.+\\\n)+.+$", server.log.read_text(), re.MULTILINE)
    assert command is not None
    result = subprocess.run(["bash", "-c", f"{command[0]} --silent --fail-with-body"], capture_output=True, text=True)
    assert result.returncode == 0, result.stdout
    assert json.loads(result.stdout)["usage"]["prompt_tokens"] > 0


def test_the_first_start_shows_a_request_of_an_embedding_model(tmp_path: Path) -> None:
    write_encoder(tmp_path / "bert.gguf", ENCODERS["bert, mean"])
    with run_server([str(tmp_path / "bert.gguf")], tmp_path / "home", key=None) as server:
        run_shown_command(server)


def test_without_a_template_texts_are_continued_and_messages_refused(bare: Path, tmp_path: Path) -> None:
    with run_server([str(bare)], tmp_path / "home", key=None) as server, server.client() as client:
        run_shown_command(server)
        for path in ("/v1/chat/completions", "/v1/chat/completions/preflight"):
            refused = client.post(path, json=FIELDS)
            assert refused.status_code == 400
            error = refused.json()["error"]
            assert (error["code"], error["param"]) == ("unsupported_parameter", "messages")
            assert "--chat-template" in error["message"]
        text = {"model": "bare", "prompt": "Hello", "max_tokens": 4}
        assert client.post("/v1/completions", json=text).status_code == 200
        assert client.get("/ready").status_code == 200


@pytest.mark.parametrize("name", ["chatml", "file"])
def test_a_template_can_be_given_by_name_and_by_file(bare: Path, tmp_path: Path, name: str) -> None:
    file = tmp_path / "my.jinja"
    file.write_text(
        "{% for m in messages %}<{{ m.role }}>{{ m.content }}{% endfor %}{% generation %}>{% endgeneration %}"
    )
    given = str(file) if name == "file" else name
    with run_server([str(bare), "--chat-template", given], tmp_path / "home") as server, server.client() as client:
        assert client.post("/v1/chat/completions", json=FIELDS).status_code == 200
        prompt = client.post("/v1/chat/completions/preflight", json=FIELDS).json()["prompt"]
    expected = "<user>Hello>" if name == "file" else "<|im_start|>user\nHello<|im_end|>\n<|im_start|>assistant\n"
    assert prompt == expected


@pytest.mark.parametrize("name", STRICT)
def test_any_order_of_roles_reaches_a_template_that_does_not_show_it(bare: Path, tmp_path: Path, name: str) -> None:
    """Agents send several messages of the system, some in the middle of the conversation. In all APIs."""
    file = tmp_path / "strict.jinja"
    file.write_text(STRICT[name])
    greeted = [{"role": "assistant", "content": "Hi"}, QUESTION]
    turns = [{"role": "developer", "content": "B"}, QUESTION, {"role": "developer", "content": "C"}]
    with (
        run_server([str(bare), "--chat-template", str(file)], tmp_path / "home") as server,
        server.client() as client,
    ):

        def prompt(messages: object) -> str:
            seen = client.post("/v1/chat/completions/preflight", json=FIELDS | {"messages": messages})
            assert seen.status_code == 200, seen.text
            text: str = seen.json()["prompt"]
            return text

        assert prompt(AGENT) == ADAPTED[name]
        assert prompt([QUESTION]) == "<user>Hello"
        assert prompt(greeted).endswith("<assistant>Hi<user>Hello")
        response = {"model": "bare", "instructions": "A", "input": turns, "max_output_tokens": 4}
        assert client.post("/v1/responses", json=response).status_code == 200
        messages = [QUESTION, {"role": "assistant", "content": "Hi"}, {"role": "system", "content": "B"}, QUESTION]
        message = FIELDS | {"system": "A", "messages": messages}
        assert client.post("/v1/messages", json=message).status_code == 200


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        (None, "no such file, nor a built-in template of that name; there are chatml, "),
        (b"", "the file is empty"),
        (b"\xff\xfe", "not UTF-8"),
        (b"x" * (2**20 + 1), "more than"),
        (b"{% for %}", "the chat template cannot be compiled"),
    ],
)
def test_an_unusable_template_is_a_one_line_error(
    bare: Path, tmp_path: Path, content: bytes | None, reason: str
) -> None:
    file = tmp_path / "my.jinja"
    if content is not None:
        file.write_bytes(content)
    arguments = ["serve", str(bare), "--chat-template", str(file), "--port", "0"]
    ended = run_here(*arguments, home=tmp_path / "home")
    assert ended.exit_code == 1
    last = ended.stderr.strip().splitlines()[-1]
    assert last.startswith("forefront: ")
    assert reason in last
    assert isinstance(ended.exception, SystemExit)


@pytest.mark.parametrize("name", template_names())
def test_every_built_in_template_renders_a_conversation(name: str) -> None:
    template = ChatTemplate(read_chat_template(name), bos_token="<s>", eos_token="</s>")
    system = {"role": "system", "content": "Be brief."}
    answer = {"role": "assistant", "content": "Rome."}
    for messages in ([QUESTION], [system, QUESTION], [system, QUESTION, answer, QUESTION]):
        prompt = template.render(messages)
        for message in messages:
            assert message["content"] in prompt
        assert prompt.count("Hello") == messages.count(QUESTION)
    with pytest.raises(SourceError):
        read_chat_template(name + ".jinja")


def test_templates_without_tools_refuse_their_messages_in_words() -> None:
    template = ChatTemplate(read_chat_template("llama2"))
    with pytest.raises(TemplateError, match=r"^This template takes messages of"):
        template.render([{"role": "tool", "content": "5"}])
