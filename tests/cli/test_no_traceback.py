"""Odd arguments and environments end a command with an error message, never with a traceback."""

import os
import subprocess
import sys
import threading
from collections.abc import Iterator, Mapping, Sequence
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest
from typer.testing import CliRunner

from forefront.cli.app import app

pytestmark = pytest.mark.slow

# Lone surrogates (an argument that is not UTF-8), NUL, huge and non-finite numbers, a folder, a long name, markup.
ODD = [
    os.fsdecode(b"\xff\xfe"), "a\0b", "", "9" * 5000, "-1", "1e400", "nan", "/", "x" * 70_000, "\N{GRINNING FACE}",
    "\x1b[31m", "-", "{}", "[/bold]", "no/such/file",
]  # fmt: skip
COMMANDS = [
    ["{}"],
    ["chat", "{}", "--model", "m", "--base-url", "URL"],
    *(
        ["chat", "hi", "--model", "m", "--base-url", "URL", option, "{}"]
        for option in ("--system", "--temperature", "--max-tokens", "--model", "--base-url")
    ),
    ["complete", "{}", "--model", "m", "--base-url", "URL"],
    ["complete", "hi", "--model", "m", "--base-url", "URL", "--stop", "{}"],
    ["keys", "create", "{}"],
    *(
        ["keys", "create", "n", option, "{}"]
        for option in (
            "--project",
            "--scope",
            "--model",
            "--expires",
            "--rpm",
            "--tpm",
            "--concurrency",
            "--budget",
        )
    ),
    *(["keys", command, "{}"] for command in ("show", "rotate", "revoke")),
    ["projects", "set", "{}"],
    *(["projects", "set", "p", option, "{}"] for option in ("--weight", "--rpm", "--concurrency", "--budget")),
    *(["usage", option, "{}"] for option in ("--by", "--since", "--until", "--key", "--project", "--model")),
    ["prune", "--yes", "--before", "{}"],
    ["export", "{}"],
    ["import", "{}"],
    ["config", "check", "--config", "{}"],
    ["serve", "{}", "--port", "0"],
    ["serve", "name={}", "--port", "0"],
    *(
        ["serve", "no/such.gguf", "--port", "0", option, "{}"]
        for option in (
            "--host",
            "--port",
            "--threads",
            "--kv-cache",
            "--precision",
            "--quantize",
            "--chat-template",
            "--device",
            "--grace",
            "--config",
        )
    ),
]


@pytest.fixture
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A working directory and an empty home."""
    monkeypatch.chdir(tmp_path)
    for name in [name for name in os.environ if name.startswith("FOREFRONT")]:
        monkeypatch.delenv(name)
    monkeypatch.setenv("FOREFRONT_HOME", str(tmp_path / "home"))
    monkeypatch.setenv("FOREFRONT_API_KEY", "ff-" + "x" * 43)
    return tmp_path


@pytest.fixture(scope="module")
def refusing_server() -> Iterator[str]:
    """The URL of a server that answers every request with an error."""

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            self.rfile.read(int(self.headers["content-length"]))
            self.send_error(400)

        def do_GET(self) -> None:
            self.send_error(400)

        def log_message(self, format: str, *args: object) -> None:  # noqa: A002
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    yield f"http://127.0.0.1:{server.server_port}"
    server.shutdown()
    server.server_close()


@pytest.mark.parametrize("command", COMMANDS, ids=" ".join)
@pytest.mark.usefixtures("home")
def test_unusual_arguments(refusing_server: str, command: list[str]) -> None:
    """A fifth of them for each command, and every one of them for some."""
    check_odd_arguments(refusing_server, command, ODD[COMMANDS.index(command) % 5 :: 5])


@pytest.mark.exhaustive
@pytest.mark.parametrize("command", COMMANDS, ids=" ".join)
@pytest.mark.usefixtures("home")
def test_every_unusual_argument(refusing_server: str, command: list[str]) -> None:
    check_odd_arguments(refusing_server, command, ODD)


def check_odd_arguments(url: str, command: list[str], odd_ones: Sequence[str]) -> None:
    for odd in odd_ones:
        arguments = [argument.replace("{}", odd) if "{}" in argument else argument for argument in command]
        arguments = [url if argument == "URL" else argument for argument in arguments]
        result = CliRunner().invoke(app, arguments)
        assert result.exception is None or isinstance(result.exception, SystemExit), (arguments[:9], result.exception)
        assert result.exit_code in (0, 1, 2), (arguments[:9], result.output[-500:])


def run(arguments: Sequence[str], variables: Mapping[str, str | bytes], closed: str = "") -> tuple[int, str]:
    """Exit status and all output of a command as its own process. `closed` are redirections."""
    environment = {os.fsencode(name): os.fsencode(value) for name, value in os.environ.items()}
    environment |= {os.fsencode(name): os.fsencode(value) for name, value in variables.items()}
    done = subprocess.run(
        ["sh", "-c", f'exec "$@" {closed}', "sh", sys.executable, "-m", "forefront.cli", *arguments],
        env=environment,
        stdin=subprocess.DEVNULL,
        capture_output=True,
        timeout=120,
        check=False,
    )
    return done.returncode, (done.stdout + done.stderr).decode(errors="replace")


@pytest.mark.parametrize(
    "variables",
    [
        {"NO_PROXY": "::1/128"},
        {"HTTP_PROXY": "http://[::1"},
        {"ALL_PROXY": "socks5://127.0.0.1:1"},
        {"ALL_PROXY": "nonsense://x"},
        {"SSL_CERT_FILE": "/nonexistent"},
        {"FOREFRONT_BASE_URL": b"http://\xff/"},
        {"LC_ALL": "C", "PYTHONUTF8": "0", "PYTHONIOENCODING": "ascii"},
        {"COLUMNS": "nonsense", "TERM": "nonsense", "FORCE_COLOR": "1"},
    ],
    ids=str,
)
@pytest.mark.usefixtures("home")
def test_unusual_environments_of_a_client(refusing_server: str, variables: dict[str, str | bytes]) -> None:
    arguments = ["chat", "hi", "--model", "m\N{GRINNING FACE}"]
    status, output = run(arguments, {"FOREFRONT_BASE_URL": refusing_server} | variables)
    assert status == 1, output
    assert output.startswith("forefront: ")
    assert "internal error" not in output
    assert output.count("\n") == 1


@pytest.mark.parametrize(
    ("variables", "statuses"),
    [
        ({"LC_ALL": "xx_YY.nonsense", "TZ": "nonsense"}, {0}),
        ({"LC_ALL": "C", "PYTHONUTF8": "0", "PYTHONIOENCODING": "ascii"}, {0}),
        ({"COLUMNS": "-5", "TERM": "nonsense", "FORCE_COLOR": "1"}, {0}),
        ({"HOME": "/dev/null", "FOREFRONT_HOME": ""}, {1}),
        ({"FOREFRONT_CONFIG": b"/\xff"}, {1}),
        ({"FOREFRONT_DATABASE_URL": b"postgresql://\xff@127.0.0.1:1/x"}, {1}),
        ({"HOST": b"\xff"}, {0, 1}),
    ],
    ids=lambda value: str(value)[:60],
)
@pytest.mark.usefixtures("home")
def test_unusual_environments_of_a_store_command(variables: dict[str, str | bytes], statuses: set[int]) -> None:
    status, output = run(["keys", "list"], variables)
    assert status in statuses, output
    assert "Traceback" not in output
    assert "internal error" not in output
    assert "secret" not in output


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("FOREFRONT_HOME", "/proc/nonexistent"),
        ("FOREFRONT_HOME", "~nonexistent-user"),
        ("FOREFRONT_CONFIG", "/"),
        ("FOREFRONT_DATABASE_URL", "sqlite:////"),
        ("FOREFRONT_DATABASE_URL", "sqlite:////" + "x" * 5000),
        ("FOREFRONT_DATABASE_URL", "sqlite:////tmp/x.db?timeout=x"),
        ("FOREFRONT_DATABASE_URL", "postgresql://u:secret@127.0.0.1:1/x?foo=bar"),
        ("PORT", "9" * 5000),
    ],
    ids=lambda value: str(value)[:60],
)
@pytest.mark.usefixtures("home")
def test_unusual_settings_of_a_store_command(name: str, value: str) -> None:
    """The command reads them, not its process: they need none of their own."""
    result = CliRunner().invoke(app, ["keys", "list"], env={name: value})
    assert isinstance(result.exception, SystemExit), result.exception
    assert result.exit_code == 1
    assert "internal error" not in result.output
    assert "secret" not in result.output


@pytest.mark.parametrize("closed", [">&-", "<&- >&- 2>&-"])
@pytest.mark.parametrize("command", ["keys create n", "usage --csv", "--version", "chat"])
@pytest.mark.usefixtures("home")
def test_closed_standard_streams(refusing_server: str, command: str, closed: str) -> None:
    status, output = run(command.split(), {"FOREFRONT_BASE_URL": refusing_server}, closed)
    assert status == (1 if command == "chat" else 0), output
    assert "Traceback" not in output
    assert "internal error" not in output
