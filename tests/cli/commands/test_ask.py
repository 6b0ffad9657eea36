"""`forefront complete` and `forefront chat`, as a shell runs them, against the real server."""

import json
import os
import signal
import subprocess
import sys
from typing import Any

import pytest
import typer
from typer.core import TyperGroup

from forefront.cli.apps import app as commands
from forefront.cli.apps import client_app as asking
from forefront.cli.apps.client_app import COMMANDS
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


def test_the_client_commands_import_no_server() -> None:
    script = "import forefront.cli.apps.client_app, sys; print(*sys.modules)"
    run = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
    loaded = {name.partition(".")[0] for name in run.stdout.split()}
    assert not loaded & {"openvino", "sqlalchemy", "alembic", "starlette", "uvicorn", "numpy"}


_OF_FEW_SERVERS = {
    "alembic",
    "httpx",
    "huggingface_hub",
    "ray",
    "forefront.cluster",
    "forefront.server.openapi.document",
}


@pytest.mark.parametrize(
    ("application", "unneeded"),
    [
        ("serve_app", _OF_FEW_SERVERS),
        ("store_app", {"alembic", "httpx", "numpy", "openvino", "starlette", "forefront.engine"}),
    ],
)
def test_an_application_imports_only_what_its_commands_need(application: str, unneeded: set[str]) -> None:
    script = f"import forefront.cli.apps.{application}, sys; print(*sys.modules)"
    run = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
    assert not unneeded & set(run.stdout.split())


@pytest.mark.parametrize("name", COMMANDS)
def test_both_applications_have_the_same_commands(name: str) -> None:
    whole = typer.main.get_command(commands.app)
    own = typer.main.get_command(asking.app)
    assert isinstance(whole, TyperGroup)
    assert isinstance(own, TyperGroup)
    assert whole.commands[name].help == own.commands[name].help
