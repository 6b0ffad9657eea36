"""Engine processes are started, watched, restarted and ended, and leave no process."""

import json
import os
import signal
import subprocess
import sys
import threading
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any, Final

import pytest

from forefront.engine.errors import EngineStoppedError, EngineUnavailableError
from forefront.managed_engines.engine_process import Endpoint, EngineProcess, Launch, ProcessLimits
from forefront.managed_engines.errors import EngineStartError
from forefront.managed_engines.guardian import PORT
from forefront.managed_engines.process_tree import descendants

_GUARDIAN: Final = "forefront.managed_engines.guardian"
_STAND_IN: Final = str(Path(__file__).parents[1] / "support" / "backends" / "stand_in_engine.py")
_LIMITS: Final = ProcessLimits(start=90, first_pause=0.1, longest_pause=0.2, grace=10)


def _launch(*arguments: str, **settings: Any) -> Launch:
    command = [sys.executable, _STAND_IN, "--port", PORT, *arguments]
    return Launch(_GUARDIAN, {"command": command, "health": "/health", "key_variable": "VLLM_API_KEY"} | settings)


@pytest.fixture
def engine() -> Iterator[EngineProcess]:
    process = EngineProcess("stand-in", _launch(), _LIMITS)
    yield process
    process.stop()


def _ask(endpoint: Endpoint, key: str | None = None) -> dict[str, Any]:
    headers = {"authorization": f"Bearer {endpoint.key if key is None else key}"}
    with urllib.request.urlopen(urllib.request.Request(f"{endpoint.url}/", headers=headers), timeout=60) as response:
        answer: dict[str, Any] = json.load(response)
    return answer


def _running(pid: int) -> bool:
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except OSError:
        return False


def _eventually(condition: Callable[[], bool], seconds: float = 60) -> None:
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline, "it did not happen"
        time.sleep(0.02)


def test_listens_on_loopback_with_a_key_that_no_command_line_shows(engine: EngineProcess) -> None:
    endpoint = engine.start()
    assert endpoint.url.startswith("http://127.0.0.1:")
    found = _ask(endpoint)
    with pytest.raises(urllib.error.HTTPError, match="401"):
        _ask(endpoint, "another key")
    assert engine.pid is not None
    tree = [engine.pid, *descendants(engine.pid)]
    assert {found["pid"], found["worker"]} < {*tree}
    for pid in tree:
        assert endpoint.key.encode() not in Path(f"/proc/{pid}/cmdline").read_bytes()
    assert engine.memory_bytes() > 2**20


def test_a_key_file_is_private_and_its_directory_is_removed() -> None:
    settings = {"key_variable": "", "key_file_option": "--config"}
    engine = EngineProcess("stand-in", _launch(**settings), _LIMITS)
    try:
        found = _ask(engine.start())
        file = Path(found["arguments"][found["arguments"].index("--config") + 1])
        assert file.stat().st_mode & 0o077 == 0
    finally:
        engine.stop()
    assert not file.parent.exists()


def test_waiting_is_reported(engine: EngineProcess) -> None:
    seconds: list[float] = []
    engine.start(seconds.append)
    assert seconds == sorted(seconds)


def test_stop_ends_all_descendants(engine: EngineProcess) -> None:
    found = _ask(engine.start())
    engine.stop()
    assert not _running(found["pid"])
    assert not _running(found["worker"])
    assert engine.pid is None
    with pytest.raises(EngineStoppedError):
        engine.attempt.result(60)


def test_an_engine_ignoring_sigterm_is_killed() -> None:
    engine = EngineProcess("deaf", _launch("--deaf"), _LIMITS)
    found = _ask(engine.start())
    engine.stop()
    assert not _running(found["pid"])
    assert not _running(found["worker"])


@pytest.mark.parametrize("victim", ["guardian", "engine"])
def test_a_killed_engine_restarts_with_a_new_key(engine: EngineProcess, victim: str) -> None:
    first = engine.start()
    found = _ask(first)
    assert engine.pid is not None
    os.kill(engine.pid if victim == "guardian" else found["pid"], signal.SIGKILL)
    _eventually(lambda: engine.attempt.done() and engine.attempt.exception() is not None)
    error = engine.attempt.exception()
    assert isinstance(error, EngineUnavailableError)
    assert error.retry_after == _LIMITS.first_pause
    assert not _running(found["pid"])
    _eventually(lambda: engine.restarts == 1)
    second = engine.attempt.result(60)
    assert second.key != first.key
    assert _ask(second)["pid"] != found["pid"]


def test_pauses_grow_to_a_limit_while_restarts_fail(engine: EngineProcess, tmp_path: Path) -> None:
    engine.start()
    pauses: list[float] = []
    while len(pauses) < 3:
        attempt = engine.attempt
        if attempt.done() and isinstance(error := attempt.exception(), EngineUnavailableError):
            pauses.append(error.retry_after)
            _eventually(lambda seen=attempt: engine.attempt is not seen)  # type: ignore[misc]
        else:
            engine.attempt.result(60)
            assert engine.pid is not None
            os.kill(engine.pid, signal.SIGKILL)
            _eventually(lambda seen=attempt: engine.attempt is not seen)  # type: ignore[misc]
    assert pauses == [0.1, 0.2, 0.2]


def test_a_failed_start_shows_the_last_lines_of_the_log() -> None:
    engine = EngineProcess("broken", _launch("--fail", "no such model"), _LIMITS)
    with pytest.raises(EngineStartError, match=r"engine broken ended with status 3 before it was ready(?s:.*)no such"):
        engine.start()
    assert engine.restarts == 0
    engine.stop()


def test_the_log_is_bounded() -> None:
    text = "x" * 100_000
    engine = EngineProcess("broken", _launch("--fail", text), _LIMITS)
    with pytest.raises(EngineStartError) as raised:
        engine.start()
    assert len(str(raised.value)) < 50_000
    engine.stop()


def test_a_start_that_takes_too_long_fails() -> None:
    limits = ProcessLimits(start=0.5, grace=10)
    engine = EngineProcess("slow", _launch(health="/never"), limits)
    with pytest.raises(EngineStartError, match="before it was ready"):
        engine.start()
    engine.stop()


def test_stop_without_start() -> None:
    EngineProcess("unused", _launch(), _LIMITS).stop()


_PARENT: Final = """
import json, sys, threading
from forefront.managed_engines.engine_process import EngineProcess, Launch
launch = Launch(sys.argv[1], json.loads(sys.argv[2]))
engine = EngineProcess("orphan", launch)
engine.start()
from forefront.managed_engines.process_tree import descendants
print(json.dumps([engine.pid, *descendants(engine.pid)]), flush=True)
threading.Event().wait()
"""


def parent_of(launch: Launch) -> tuple[subprocess.Popen[bytes], list[int]]:
    """A process that has started an engine, and the engine's processes."""
    command = [sys.executable, "-c", _PARENT, launch.module, json.dumps(dict(launch.settings))]
    parent = subprocess.Popen(command, stdout=subprocess.PIPE)
    assert parent.stdout is not None
    return parent, json.loads(parent.stdout.readline())


def test_no_process_survives_a_killed_server() -> None:
    parent, processes = parent_of(_launch())
    assert len(processes) == 3
    parent.kill()
    parent.communicate()
    _eventually(lambda: not any(map(_running, processes)))


def test_no_process_survives_a_killed_server_and_guardian() -> None:
    """The engine itself ends with its guardian even where that has no time to end it."""
    parent, (guardian, *others) = parent_of(_launch())
    os.kill(guardian, signal.SIGSTOP)
    parent.kill()
    parent.communicate()
    os.kill(guardian, signal.SIGKILL)
    engine = min(others)
    _eventually(lambda: not _running(engine))
    for pid in others:
        if _running(pid):
            os.kill(pid, signal.SIGKILL)


def test_a_child_exits_when_its_parent_is_dead() -> None:
    """The parent dies between the child's start and its `prctl`: the process id of the parent is another one then."""
    settings = json.dumps({**_launch().settings, "key": "key", "parent": 1}).encode() + b"\n"
    child = subprocess.Popen(
        [sys.executable, "-m", _GUARDIAN], stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE
    )
    assert child.stdin is not None
    child.stdin.write(settings)
    child.stdin.flush()  # it stays open: the end of the input would end the child too
    assert child.wait(60) == 0
    output, _ = child.communicate()
    assert output == b""


def test_stop_at_any_moment_of_a_start(caplog: pytest.LogCaptureFixture) -> None:
    """Also between the child's creation and its settings."""
    for step in range(12):
        engine = EngineProcess("stopped", _launch(), _LIMITS)
        thread = threading.Thread(target=lambda engine=engine: _start_quietly(engine))
        thread.start()
        time.sleep(step * 0.01)
        engine.stop()
        thread.join(60)
        assert not thread.is_alive()
        assert engine.pid is None


def _start_quietly(engine: EngineProcess) -> None:
    with suppress(EngineStartError, EngineStoppedError):
        engine.start()


def test_not_enough_memory_for_a_process(monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*arguments: Any, **options: Any) -> None:
        raise BlockingIOError(11, "Resource temporarily unavailable")

    engine = EngineProcess("crowded", _launch(), _LIMITS)
    monkeypatch.setattr("forefront.managed_engines.engine_process.subprocess.Popen", refuse)
    with pytest.raises(EngineStartError, match="Resource temporarily unavailable"):
        engine.start()
    engine.stop()
