"""`forefront top`: readings of a real server, and what a terminal and a pipe show."""

import io
import os
import pty
import re
import select
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest
from rich.console import Console

from forefront import ForefrontClient, ForefrontError
from forefront.cli.commands.top import Window, read_server
from forefront.cli.live_view.reading import parse_reading, rates
from forefront.cli.live_view.screen import COLUMNS, Screen, cells, sparkline
from forefront.client.settings import Timeout
from forefront.upstream.spec import UpstreamSpec
from tests.support.backends.instant import KEY, MODEL, Instant, Nursery

BODY = {"model": MODEL, "messages": [{"role": "user", "content": "Hi"}], "max_tokens": 50}


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Instant]:
    folder = tmp_path_factory.mktemp("top")
    upstream = UpstreamSpec("remote", ("http://127.0.0.1:9/v1",), "m", dialect="generic", context_length=4096)
    with Nursery().serve(f"sqlite:///{folder}/s.db", folder / "log", upstreams=[upstream]) as running:
        yield running


@pytest.fixture
def client(server: Instant) -> Iterator[ForefrontClient]:
    with ForefrontClient(api_key=KEY, base_url=server.url) as made:
        yield made


def complete(server: Instant, **fields: object) -> int:
    headers = {"authorization": f"Bearer {KEY}"}
    return httpx.post(f"{server.url}/v1/chat/completions", json=BODY | fields, headers=headers).status_code


def environment(server: Instant, key: str = KEY) -> dict[str, str]:
    return os.environ | {"FOREFRONT_BASE_URL": server.url, "FOREFRONT_API_KEY": key, "TERM": "xterm", "COLUMNS": "120"}


def run(server: Instant, *arguments: str, key: str = KEY) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "forefront.cli", "top", *arguments]
    return subprocess.run(
        command, env=environment(server, key), capture_output=True, text=True, timeout=60, check=False
    )


def test_the_change_between_two_readings(server: Instant, client: ForefrontClient) -> None:
    before = read_server(client)
    for _ in range(4):
        assert complete(server) == 200
    assert complete(server, model="none") == 404
    now = read_server(client)
    change = rates(before, now)
    model = change.models[MODEL]
    assert model.requests * change.seconds == pytest.approx(4)
    assert change.tokens * change.seconds == pytest.approx(200)
    assert model.cache_hits == 0
    assert model.first_token is not None
    assert 0 < model.first_token < 10
    assert dict(change.errors) == {"model_not_found": 1}
    assert rates(now, now).models[MODEL].first_token is None
    restarted = rates(now, before)
    assert restarted.seconds == 0


def test_a_window_forgets_old_readings(client: ForefrontClient) -> None:
    reading = read_server(client)
    window = Window(reading)
    for second in range(1, 30):
        later = parse_reading(reading.time + second, reading.status, "")
        shown = window.add(later)
    assert 10 <= shown.seconds <= 11


def test_once(server: Instant) -> None:
    complete(server)
    shown = run(server, "--once")
    assert (shown.returncode, shown.stderr) == (0, "")
    assert re.search(rf"^ {MODEL} +loaded +0 +0 .* ms", shown.stdout, re.MULTILINE)
    assert "0 running, 0 waiting" in shown.stdout
    assert "\x1b" not in shown.stdout


def test_failures(server: Instant) -> None:
    shown = run(server, "--once", key="wrong-key-0123456789-abcdef")
    assert (shown.returncode, shown.stdout) == (1, "")
    assert "401 invalid_api_key" in shown.stderr


@pytest.mark.parametrize("variables", [{}, {"FORCE_COLOR": "1"}], ids=["plain", "colors-forced"])
def test_a_pipe_gets_a_line_per_sample(server: Instant, variables: dict[str, str]) -> None:
    command = [sys.executable, "-m", "forefront.cli", "top", "--interval", "0.2"]
    with subprocess.Popen(command, env=environment(server) | variables, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        lines = [process.stdout.readline() for _ in range(3)]
        process.send_signal(signal.SIGINT)
        assert process.wait(60) == 0
    assert lines[0].split() == ["time", "running", "waiting", "tokens/s", "requests/min", "errors"]
    assert re.fullmatch(r"\d\d:\d\d:\d\d +\d+ +\d+ +\d+ +\d+ +\d+\n", lines[2])


def on_terminal(variables: dict[str, str], until: str, times: int) -> str:
    """What a terminal shows up to the text `until`, so often."""
    ours, theirs = pty.openpty()
    command = [sys.executable, "-m", "forefront.cli", "top", "--interval", "0.2"]
    with subprocess.Popen(command, env=variables, stdin=theirs, stdout=theirs, stderr=theirs) as process:
        os.close(theirs)
        shown, deadline = "", time.monotonic() + 120
        while shown.count(until) < times and time.monotonic() < deadline:
            if select.select([ours], [], [], 1)[0]:
                shown += os.read(ours, 65_536).decode(errors="replace")
        process.send_signal(signal.SIGINT)
        assert process.wait(60) == 0
    os.close(ours)
    return shown


def test_a_terminal_without_a_cursor_gets_lines(server: Instant) -> None:
    shown = on_terminal(environment(server) | {"TERM": "dumb"}, ":", 2)
    assert re.search(r"requests/min +errors\s+\d\d:\d\d:\d\d +\d+ +\d+", shown)


def test_a_terminal_gets_a_live_screen(server: Instant) -> None:
    shown = on_terminal(environment(server), "Ctrl-C ends", 2)
    plain = re.sub(r"\x1b\[[0-9;?]*[A-Za-z]", "", shown)
    for text in (MODEL, "loaded", "remote/1", "tokens/s", "TTFT"):
        assert text in plain


@pytest.mark.parametrize("width", [40, 60, 80, 100, 200])
def test_no_number_is_cut(server: Instant, client: ForefrontClient, width: int) -> None:
    complete(server)
    reading = read_server(client)
    shown = rates(None, reading)
    console = Console(width=width, file=io.StringIO(), color_system=None)
    with console.capture() as capture:
        console.print(Screen(server.url).render(reading, shown))
    lines = capture.get().splitlines()
    [head] = [line.split() for line in lines if line.startswith("model ")]
    [row] = [line for line in lines if MODEL in line and "loaded" in line]
    assert max(map(len, lines)) <= width
    expected = cells(MODEL, reading.status.models[MODEL], reading, shown.models[MODEL])
    for name, cell in zip(COLUMNS, expected, strict=True):
        assert name not in head or cell in row
    assert width < 100 or head == list(COLUMNS)


def test_a_server_that_hangs_is_a_failed_reading(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("forefront.cli.commands.top._TIMEOUT", Timeout(read=0.2))
    with socket.create_server(("127.0.0.1", 0)) as silent:
        address = f"http://127.0.0.1:{silent.getsockname()[1]}"
        with ForefrontClient(api_key=KEY, base_url=address) as client, pytest.raises(ForefrontError):
            read_server(client)


def test_a_chart_of_one_line() -> None:
    assert (sparkline([]), sparkline([0, 0]), sparkline([0, 7, 3.5])) == ("", "▁▁", "▁█▅")


def test_another_kind_of_server(tmp_path: Path) -> None:
    with (
        ForefrontClient(api_key=KEY, base_url="http://127.0.0.1:9") as client,
        pytest.raises(ForefrontError),
    ):
        read_server(client)
