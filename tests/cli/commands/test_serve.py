"""`forefront serve` as a user meets it: first start, second start, wrong use, Ctrl-C."""

import json
import os
import signal
import socket
import subprocess
import sys
import threading
import time
from contextlib import suppress
from pathlib import Path
from typing import Any

import httpx
import pytest
from typer.testing import CliRunner

from forefront.cli.app import app
from tests.cli.commands.in_process import run_here
from tests.support.server import KEY, RunningServer, run_server


def forefront(*arguments: str, home: Path, **variables: str) -> subprocess.CompletedProcess[str]:
    environment = {name: value for name, value in os.environ.items() if not name.startswith("FOREFRONT")}
    environment |= {"FOREFRONT_HOME": str(home), "COLUMNS": "200"} | variables
    command = [sys.executable, "-m", "forefront.cli", *arguments]
    return subprocess.run(command, env=environment, capture_output=True, text=True, timeout=120, check=False)


def stream(server: RunningServer, max_tokens: int, n: int, into: list[str]) -> None:
    fields: dict[str, Any] = {"model": "tiny", "messages": [{"role": "user", "content": "Hi"}]}
    fields |= {"max_tokens": max_tokens, "n": n, "logit_bias": {"2": -100}}  # never ends by itself
    with (
        server.client() as client,
        client.stream("POST", "/v1/chat/completions", json=fields | {"stream": True}) as response,
    ):
        into.append(str(response.status_code))
        into.extend(line for line in response.iter_lines() if line.startswith("data: "))


def begin(server: RunningServer, max_tokens: int, n: int = 1) -> tuple[threading.Thread, list[str]]:
    """A stream in another thread, returned once its first events are there."""
    lines: list[str] = []
    thread = threading.Thread(target=stream, args=(server, max_tokens, n, lines))
    thread.start()
    while len(lines) < 3:
        time.sleep(0.005)
    return thread, lines


@pytest.mark.slow
def test_first_start_shows_a_key_that_works_and_the_second_does_not_show_it(tiny_gguf: Path, tmp_path: Path) -> None:
    home = tmp_path / "home"
    with run_server([str(tiny_gguf)], home, key=None) as server:
        assert server.key.startswith("ff-")
        assert server.get("/v1/models").status_code == 200
        log = server.log.read_text()
        # The command that is shown works as it is shown.
        command = log[log.index("  curl ") : log.rindex("}'") + 2]
        output = subprocess.run(["bash", "-c", command], capture_output=True, check=True, timeout=60).stdout
        assert json.loads(output)["choices"][0]["message"]["role"] == "assistant"
        assert server.stop() == 0
    key = server.key
    for path in home.rglob("*"):
        assert not path.is_file() or key.encode() not in path.read_bytes()
    with run_server([str(tiny_gguf)], home, key=None) as server:
        assert server.key == ""
        assert key not in server.log.read_text()
        assert "Preparing" not in server.log.read_text()
        assert httpx.get(f"{server.url}/v1/models", headers={"authorization": f"Bearer {key}"}).status_code == 200


def test_the_address_and_the_first_key_are_one_write(tiny_gguf: Path, tmp_path: Path) -> None:
    """A program that waits for the line with the address finds the key beside it."""
    environment = {name: value for name, value in os.environ.items() if not name.startswith("FOREFRONT")}
    environment |= {"FOREFRONT_HOME": str(tmp_path / "home"), "PORT": "0"}
    output, writer = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)  # each write is one message
    command = [sys.executable, "-m", "forefront.cli", "serve", str(tiny_gguf)]
    with output, subprocess.Popen(command, env=environment, stdout=writer.fileno(), stderr=writer.fileno()) as process:
        writer.close()
        output.settimeout(60)
        message = b""
        try:
            while b" serves " not in message:
                message = output.recv(65536)
                assert message, "the server ended"
        finally:
            process.terminate()
        assert process.wait(60) == 0
    assert b"FOREFRONT_API_KEY=ff-" in message
    assert b"--data '{" in message


def test_an_adopted_key_is_never_shown(tiny_gguf: Path, tmp_path: Path) -> None:
    with run_server([str(tiny_gguf)], tmp_path / "home") as server:
        assert server.get("/v1/models").status_code == 200
        assert KEY not in server.log.read_text()
        cmdline = Path(f"/proc/{server.process.pid}/cmdline").read_bytes()
        assert KEY.encode() not in cmdline


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_running_requests_finish_and_no_new_ones_begin(tiny_gguf: Path, tmp_path: Path, number: int) -> None:
    with run_server([str(tiny_gguf)], tmp_path / "home") as server:
        thread, lines = begin(server, 1000)
        server.process.send_signal(number)
        with pytest.raises(httpx.ConnectError):
            for _ in range(600):
                with suppress(httpx.ReadError, httpx.RemoteProtocolError):  # a connection that it has just accepted
                    httpx.get(server.url + "/health")
                time.sleep(0.1)
        thread.join(60)
        assert server.process.wait(60) == 0
    assert lines[-1] == "data: [DONE]"
    assert json.loads(lines[-2].removeprefix("data: "))["choices"][0]["finish_reason"] == "length"


@pytest.mark.slow
def test_after_the_grace_period_a_stream_ends_with_an_error(tiny_gguf: Path, tmp_path: Path) -> None:
    with run_server([str(tiny_gguf), "--grace", "0.3"], tmp_path / "home", environment={"NO_COLOR": "1"}) as server:
        thread, lines = begin(server, 2000, 16)
        assert server.stop() == 0
        thread.join(60)
        assert "the grace period of 0.3 s is over: ending the remaining requests" in server.log.read_text()
    assert "data: [DONE]" not in lines
    assert json.loads(lines[-1].removeprefix("data: "))["error"]["code"] == "shutting_down"


@pytest.mark.slow
def test_the_first_signal_announces_the_second(tiny_gguf: Path, tmp_path: Path) -> None:
    with run_server([str(tiny_gguf)], tmp_path / "home") as server:
        threads = [begin(server, 2000, 16)[0] for _ in range(2)]
        server.process.send_signal(signal.SIGINT)
        while "shutting down" not in server.log.read_text():
            time.sleep(0.01)
        assert server.stop(signal.SIGINT) == 0
        for thread in threads:
            thread.join(60)
        log = server.log.read_text()
    assert "shutting down: no new requests, up to 30 s for 2 running requests (Ctrl-C again ends the wait)" in log
    assert "second signal: ending the remaining requests" in log
    assert "is over" not in log


def test_an_idle_server_exits_at_once(tiny_gguf: Path, tmp_path: Path) -> None:
    with run_server([str(tiny_gguf)], tmp_path / "home") as server, server.client() as client:
        client.get("/health")  # an idle connection that is kept alive must not delay the end
        start = time.monotonic()
        assert server.stop() == 0
        assert time.monotonic() - start < 20  # 30 are what a running request would get
        assert "shutting down: no request is running" in server.log.read_text()


def test_environment_sets_host_and_port(tiny_gguf: Path, tmp_path: Path) -> None:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    variables = {"HOST": "127.0.0.2", "PORT": str(port)}
    with run_server([str(tiny_gguf)], tmp_path / "home", environment=variables) as server:
        assert server.url == f"http://127.0.0.2:{port}"
        assert httpx.get(server.url + "/health").status_code == 200


@pytest.mark.slow
def test_a_directory_is_served_unchanged(tiny_directory: Path, tmp_path: Path) -> None:
    with run_server([f"ir={tiny_directory}"], tmp_path / "home") as server:
        models: dict[str, Any] = server.get("/v1/models").json()
    assert [model["id"] for model in models["data"]] == ["ir"]
    assert not (tmp_path / "home" / "models").exists()


@pytest.mark.slow
def test_exact_activations_are_an_option_named_in_the_receipt(tiny_gguf: Path, tmp_path: Path) -> None:
    body: dict[str, Any] = {"model": "tiny", "messages": [{"role": "user", "content": "Hi"}], "max_tokens": 2}
    options = [str(tiny_gguf), "--exact-activations", "--device", "CPU"]
    with run_server(options, tmp_path / "home") as server, server.client() as client:
        answer = client.post("/v1/chat/completions", json=body).json()
    assert "full activations" in json.dumps(answer["receipt"])


@pytest.mark.slow
def test_wrong_usage_is_one_line_and_status_1(tiny_gguf: Path, tmp_path: Path) -> None:
    broken = tmp_path / "broken.gguf"
    broken.write_bytes(tiny_gguf.read_bytes()[:5000])
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = str(taken.getsockname()[1])
        cases = [
            (["serve", str(tmp_path / "missing.gguf")], {}, "no such file"),
            (["serve", "no/such-0.6B"], {}, "no such file or directory; hf:no/such-0.6B would be the model"),
            (["serve", str(broken), "--port", "0"], {}, "the file is cut off or damaged"),
            (["serve", str(tiny_gguf), f"tiny={broken}"], {}, "two models are named tiny"),
            (["serve", str(tiny_gguf), "--port", port], {}, "choose another with --port"),
            (["serve", str(tiny_gguf), "--port", "0"], {"FOREFRONT_API_KEY": "short"}, "20 visible ASCII"),
            (["serve", str(tiny_gguf), "--host", "no.such.host.invalid"], {}, "choose another with --host"),
            (["serve", str(tiny_gguf), "--port", "0", "--host", "192.0.2.1"], {}, "choose another with --host"),
            (["serve", str(tiny_gguf), "--device", "GPU.7"], {}, "there is no device GPU.7; OpenVINO sees CPU"),
            (["serve", str(tiny_gguf), "--device", "TPU"], {}, "'TPU' is not a device: it is CPU, GPU or AUTO"),
        ]
        for arguments, variables, message in cases:
            result = run_here(*arguments, home=tmp_path / "home", **variables)
            assert result.exit_code == 1, result
            lines = [line for line in result.stderr.splitlines() if line.startswith("forefront:")]
            assert len(lines) == 1, result.stderr
            assert message in lines[0]
            assert isinstance(result.exception, SystemExit)
        process = forefront(*cases[0][0], home=tmp_path / "home")
        assert process.returncode == 1
        assert [cases[0][2] in line for line in process.stderr.splitlines()] == [True]


@pytest.mark.slow
def test_a_key_refused_for_adoption_is_named_without_markup(tiny_gguf: Path, tmp_path: Path) -> None:
    home = tmp_path / "home"
    made = json.loads(forefront("keys", "create", "[/bold] phone", "--json", home=home).stdout)
    result = forefront("serve", str(tiny_gguf), "--port", "0", home=home, FOREFRONT_API_KEY=made["key"])
    assert result.returncode == 1
    assert f"forefront: FOREFRONT_API_KEY holds the text of key {made['id']} ([/bold] phone)" in result.stderr
    assert made["key"] not in result.stderr
    assert len(json.loads(forefront("keys", "list", "--json", home=home).stdout)) == 1


@pytest.mark.slow
def test_help_and_version(tmp_path: Path) -> None:
    result = forefront("--version", home=tmp_path)
    assert result.stdout.startswith("forefront 0.")
    assert forefront("sever", home=tmp_path).returncode == 2
    for arguments in (["--help"], ["serve", "--help"], ["chat", "--help"]):
        shown = CliRunner().invoke(app, arguments, env={"COLUMNS": "200"})
        assert shown.exit_code == 0
        assert "Usage:" in shown.stdout
        assert arguments[0] != "serve" or "FOREFRONT_API_KEY" in shown.stdout


@pytest.mark.parametrize("hard", [300, 2700])
def test_the_open_file_limit_covers_all_connections(tiny_gguf: Path, tmp_path: Path, hard: int) -> None:
    """Under the limits of most machines, 1024 files would be fewer than the connections that are taken."""
    program = f"import resource, runpy; resource.setrlimit(resource.RLIMIT_NOFILE, (256, {hard})); "
    (tmp_path / "limited.py").write_text(program + "runpy.run_module('forefront.cli', run_name='__main__')")
    variables = {"PYTHONPATH": os.pathsep.join([str(tmp_path), *sys.path])}
    with run_server([str(tiny_gguf)], tmp_path / "home", environment=variables, module="limited") as server:
        soft = Path(f"/proc/{server.process.pid}/limits").read_text().split("Max open files")[1].split()[0]
        log = server.log.read_text()
    assert int(soft) == min(hard, 2512)
    assert ("this process may open 300 files, too few for the 2000 connections" in log) is (hard == 300)


@pytest.mark.parametrize("speculation", ["ngram", "off"])
def test_speculation_with_llama_cpp_is_refused(tiny_gguf: Path, speculation: str) -> None:
    arguments = ["serve", str(tiny_gguf), "--engine", "llama.cpp", "--speculation", speculation]
    result = CliRunner().invoke(app, arguments)
    assert "forefront: --speculation cannot be combined with the engine llama.cpp" in result.output
    assert result.exit_code == 1
