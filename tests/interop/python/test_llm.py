"""Simon Willison's `llm`: the command and the library, configured by `extra-openai-models.yaml`."""

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import llm
import pytest

PROMPT = "Write a recipe for an italian dinner"


@pytest.fixture
def home(endpoint: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    (tmp_path / "extra-openai-models.yaml").write_text(
        f"- model_id: forefront\n  model_name: {endpoint.model}\n  api_base: {endpoint.url}\n"
        f"  api_key_name: forefront\n  supports_tools: true\n  supports_schema: true\n"
    )
    (tmp_path / "keys.json").write_text(json.dumps({"forefront": endpoint.key}))
    monkeypatch.setenv("LLM_USER_PATH", str(tmp_path))
    return tmp_path


def command(home: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "llm", *arguments],
        env=os.environ | {"LLM_USER_PATH": str(home)},
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )


def test_command(home: Path) -> None:
    fixed = ("-o", "temperature", "0", "-o", "max_tokens", "60")
    streamed = command(home, "-m", "forefront", *fixed, PROMPT)
    whole = command(home, "-m", "forefront", "--no-stream", *fixed, PROMPT)
    assert streamed.returncode == 0, streamed.stderr
    assert streamed.stdout.strip() == whole.stdout.strip() != ""
    form = command(home, "-m", "forefront", "--schema", "name str, minutes int", "Invent a dinner", *fixed)
    assert set(json.loads(form.stdout)) == {"name", "minutes"}
    assert command(home, "-m", "forefront", "-o", "max_tokens", "1000000", PROMPT).returncode == 1


def test_usage_and_streaming(home: Path) -> None:
    model = llm.get_model("forefront")
    response = model.prompt(PROMPT, temperature=0, max_tokens=60)
    parts = list(response)
    assert len(parts) > 1  # drafts from an earlier answer to the same prompt give many tokens in one piece
    assert response.usage().output == 60
    assert model.prompt(PROMPT, temperature=0, max_tokens=60, stream=False).text() == "".join(parts)


async def test_async(home: Path) -> None:
    model = llm.get_async_model("forefront")
    assert await model.prompt(PROMPT, temperature=0, max_tokens=20).text()


@pytest.mark.parametrize("stream", [True, False])
def test_tool_chain(home: Path, stream: bool) -> None:
    seen = []

    def get_weather(city: str) -> str:
        """Get the weather of a city."""
        seen.append(city)
        return '{"sky": "clear", "celsius": 21}'

    model = llm.get_model("forefront")
    options = {"temperature": 0, "max_tokens": 200}
    chain = model.chain("What is the weather like in Rome?", tools=[get_weather], options=options, stream=stream)
    assert chain.text()
    assert seen == ["Rome"]


def test_conversation(home: Path) -> None:
    conversation = llm.get_model("forefront").conversation()
    assert conversation.prompt("Hello", temperature=0).text()
    assert conversation.prompt("What is 3 + 4?", temperature=0).text()
