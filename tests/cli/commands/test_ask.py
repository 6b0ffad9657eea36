"""`forefront complete` and `forefront chat`, as a shell runs them, against the real server."""

import json
import os
import signal
import subprocess
import sys
from typing import Any

import pytest

from tests.support.server import RunningServer

FIRST_GREEDY = ["--model", "forefront-mini", "--temperature", "0", "--max-tokens", "6"]


def command(server: RunningServer, *arguments: str, **options: Any) -> subprocess.CompletedProcess[str]:
    environment = {"PATH": os.environ["PATH"], "FOREFRONT_BASE_URL": server.url, "FOREFRONT_API_KEY": server.key}
    if "PYTHONPATH" in os.environ:
        environment["PYTHONPATH"] = os.environ["PYTHONPATH"]
    return subprocess.run(
        [sys.executable, "-m", "forefront.cli", *arguments],
        env=environment | options.pop("environment", {}),
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
        **options,
    )


def test_complete_streams_the_text_of_json(server: RunningServer) -> None:
    plain = command(server, "complete", "Serves 2, ready in", *FIRST_GREEDY)
    whole = command(server, "complete", "Serves 2, ready in", "--json", *FIRST_GREEDY)
    assert (plain.returncode, whole.returncode) == (0, 0), plain.stderr + whole.stderr
    answer = json.loads(whole.stdout)
    assert answer["object"] == "text_completion"
    assert answer["choices"][0]["text"].strip()
    assert plain.stdout.strip() == answer["choices"][0]["text"].strip()
    assert ("cut off" in plain.stderr) == (answer["choices"][0]["finish_reason"] == "length")


def test_complete_reads_standard_input(server: RunningServer) -> None:
    argument = command(server, "complete", "Serves 2, ready in", *FIRST_GREEDY)
    stdin = command(server, "complete", *FIRST_GREEDY, input="Serves 2, ready in")
    assert (stdin.returncode, stdin.stdout) == (0, argument.stdout)


def test_stop(server: RunningServer) -> None:
    whole = command(server, "complete", "Serves 2, ready in", *FIRST_GREEDY).stdout
    middle = whole.strip()[2:4]
    stopped = command(server, "complete", "Serves 2, ready in", "--stop", middle, *FIRST_GREEDY)
    assert stopped.returncode == 0
    assert stopped.stdout.rstrip("\n") == whole[: whole.index(middle)].rstrip("\n")


def test_chat_as_json(server: RunningServer) -> None:
    result = command(server, "chat", "Say hello", "--json", *FIRST_GREEDY)
    plain = command(server, "chat", *FIRST_GREEDY, input="Say hello")
    assert (result.returncode, plain.returncode) == (0, 0)
    answer = json.loads(result.stdout)
    assert answer["message"]["content"] == plain.stdout.rstrip("\n")
    assert answer["usage"]["output_tokens"] == 6


@pytest.mark.parametrize(
    ("name", "arguments", "stdin", "environment", "status", "text"),
    [
        ("complete", ["hi", "--model", "nothing"], None, {}, 1, "forefront: There is no model `nothing` here."),
        ("complete", ["hi", "--temperature", "3"], None, {}, 1, "`temperature` must be"),
        ("complete", ["hi"], None, {"FOREFRONT_API_KEY": "wrong-key-0123456789-abcdef"}, 1, "(401 invalid_api_key"),
        ("complete", ["hi"], None, {"FOREFRONT_API_KEY": ""}, 1, "There is no API key"),
        ("complete", ["hi"], None, {"FOREFRONT_BASE_URL": "nonsense"}, 1, "The base URL must look like"),
        ("complete", [], " \n", {}, 1, "The prompt is empty."),
        ("complete", ["hi", "--max-tokens", "0"], None, {}, 2, "--max-tokens"),
        ("chat", ["hi", "--model", "nothing"], None, {}, 1, "forefront: There is no model `nothing` here."),
    ],
)
def test_failures(
    server: RunningServer,
    name: str,
    arguments: list[str],
    stdin: str | None,
    environment: dict[str, str],
    status: int,
    text: str,
) -> None:
    result = command(server, name, *arguments, input=stdin, environment=environment)
    assert (result.returncode, result.stdout) == (status, "")
    assert text in result.stderr
    assert "Traceback" not in result.stderr
    assert status == 2 or result.stderr.count("\n") == 1


def test_ctrl_c(server: RunningServer) -> None:
    environment = os.environ | {"FOREFRONT_BASE_URL": server.url, "FOREFRONT_API_KEY": server.key}
    arguments = ["complete", "a", "--model", "tiny", "--max-tokens", "1500"]
    process = subprocess.Popen(
        [sys.executable, "-m", "forefront.cli", *arguments],
        env=environment,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
    )
    assert process.stdout is not None
    process.stdout.read(1)
    process.send_signal(signal.SIGINT)
    _, errors = process.communicate(timeout=30)
    assert process.returncode == 130
    assert errors == b"(stopped)\n"
