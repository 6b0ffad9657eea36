"""Python from outside: the SDK installed into an empty environment, and the client that was published in 2024."""

import os
import subprocess
import venv
from pathlib import Path

import pytest

from tests.support.server import RunningServer

ROOT = Path(__file__).parents[2]
# As the specification prints it, with its one correction: the colon after "content".
DOCUMENTED = """\
from forefront import ForefrontClient

ff = ForefrontClient(api_key="YOUR_API_KEY")

completion = ff.chat.completions.create(
    messages=[
        {"role": "system", "content": "You are a gourmet chef"},
        {"role": "user", "content": "Write a recipe for an italian dinner"},
    ],
    model="MODEL_STRING", # replace with the name of the model 
    temperature=0,
    max_tokens=10,
)
"""  # noqa: W291
# Version 0.3.53 ignores `base_url` for chat, so that its table of hosts is where to say it.
PUBLISHED = """\
import forefront.chat.chat as published
from forefront import ForefrontClient

published.base_urls["forefront"] = "BASE_URL"
client = ForefrontClient("YOUR_API_KEY", "forefront-mini", "BASE_URL")
messages = [{"role": "user", "content": "Say hello"}]
completion = client.chat.completions.create(messages=messages, temperature=0, max_tokens=8)
assert completion.choices[0].message["content"] == completion.message["content"] != ""
assert completion.message["role"] == "assistant"
usage = completion.usage
assert usage.input_tokens + usage.output_tokens == usage.total_tokens > 8
"""
# It has no reader of streams: its users wrote this, on the `requests` that it uses.
PUBLISHED_STREAM = """
import json
import requests

body = {"model": client.default_model, "messages": messages, "temperature": 0, "max_tokens": 8, "stream": True}
url = client.api_url + client.chat.completions.uri
with requests.post(url, headers=client.headers, json=body, stream=True) as response:
    lines = [line for line in response.iter_lines(decode_unicode=True) if line.startswith("data: ")]
assert lines.pop() == "data: [DONE]"
chunks = [json.loads(line.removeprefix("data: ")) for line in lines]
text = "".join(choice["delta"].get("content", "") for chunk in chunks for choice in chunk["choices"])
assert text == completion.message["content"]
"""


class Environment:
    """Its own virtual environment, in a folder."""

    def __init__(self, folder: Path) -> None:
        venv.create(folder, with_pip=True)
        self._folder = folder
        self._python = folder / "bin" / "python"

    def install(self, *what: str) -> None:
        """Skip where the package index is out of reach; with CI set, that is a failure."""
        command = [str(self._python), "-m", "pip", "install", "--quiet", "--disable-pip-version-check", *what]
        result = subprocess.run(command, capture_output=True, text=True, timeout=280, check=False)
        if result.returncode:
            text = f"Installing {what} does not work, so NOTHING about it is tested: {result.stderr[-2000:]}"
            if os.environ.get("CI"):
                pytest.fail(text)
            pytest.skip(text)

    def run(self, program: str, **environment: str) -> str:
        """Run it away from the sources; its output."""
        clean = {name: value for name, value in os.environ.items() if name in ("PATH", "HOME", "LANG")}
        result = subprocess.run(
            [str(self._python), "-c", program],
            env=clean | environment,
            cwd=self._folder,
            capture_output=True,
            text=True,
            timeout=100,
            check=False,
        )
        assert result.returncode == 0, result.stderr
        return result.stdout


@pytest.mark.slow
@pytest.mark.timeout(400)
def test_the_documented_program_runs_after_pip_install(server: RunningServer, tmp_path: Path) -> None:
    environment = Environment(tmp_path / "empty")
    environment.install(str(ROOT))
    program = DOCUMENTED.replace("YOUR_API_KEY", server.key).replace("MODEL_STRING", "forefront-mini")
    shown = "print(completion.message.content, completion.usage.total_tokens, sep='|')"
    text, _, tokens = environment.run(program + shown, FOREFRONT_BASE_URL=server.url).rpartition("|")
    assert text.strip()
    assert int(tokens) > 10
    listed = environment.run(
        "import importlib.metadata as m; print(*sorted(d.name.lower() for d in m.distributions()))"
    )
    assert set(listed.split()) - {"pip", "setuptools", "typing_extensions"} == {
        "anyio", "certifi", "forefront", "h11", "httpcore", "httpx", "idna", "msgspec",
    }  # fmt: skip
    assert "not installed" in command_without_the_server_s_parts(tmp_path / "empty")


def command_without_the_server_s_parts(folder: Path) -> str:
    result = subprocess.run([folder / "bin" / "forefront", "serve"], capture_output=True, text=True, check=False)
    assert result.returncode == 1
    return result.stderr


@pytest.mark.slow
@pytest.mark.timeout(400)
def test_the_client_published_in_2024_completes(server: RunningServer, tmp_path: Path) -> None:
    environment = Environment(tmp_path / "published")
    environment.install("forefront==0.3.53", "tqdm")  # an undeclared dependency
    program = (PUBLISHED + PUBLISHED_STREAM).replace("YOUR_API_KEY", server.key).replace("BASE_URL", server.url)
    environment.run(program)


def test_the_documented_program_is_the_readme_s() -> None:
    words = DOCUMENTED.split()
    start = (ROOT / "README.md").read_text().split("```python\n")[1]
    assert start.split()[: len(words)] == words
