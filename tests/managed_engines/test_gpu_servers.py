"""The commands of vLLM and SGLang, run by programs in their place: neither runs without a GPU."""

import json
import sys
import urllib.request
from pathlib import Path

import pytest

from forefront.managed_engines import gpu_servers
from forefront.managed_engines.engine_process import EngineProcess, Launch, ProcessLimits
from forefront.managed_engines.errors import EngineNotInstalledError, EngineSettingsError
from forefront.managed_engines.gpu_servers import SGLANG, VLLM, GpuServer, GpuServerOptions, check_available, launch
from forefront.managed_engines.guardian import PORT
from tests.support.backends import stand_in_engine

_OPTIONS = GpuServerOptions("/models/qwen", "big", 4096, ("--tensor-parallel-size", "2"))


def test_the_command_of_vllm() -> None:
    command = launch(VLLM, _OPTIONS).settings["command"]
    assert command[:3] == ["vllm", "serve", "/models/qwen"]
    assert command[3:9] == ["--host", "127.0.0.1", "--port", PORT, "--served-model-name", "big"]
    assert command[9:] == ["--max-model-len", "4096", "--tensor-parallel-size", "2"]


def test_the_command_of_sglang() -> None:
    command = launch(SGLANG, GpuServerOptions("owner/name", "big")).settings["command"]
    assert command[:4] == ["sglang", "serve", "--model-path", "owner/name"]
    assert command[4:] == ["--host", "127.0.0.1", "--port", PORT, "--served-model-name", "big"]


@pytest.mark.parametrize(
    ("server", "arguments"),
    [
        (VLLM, ("--host", "0.0.0.0")),
        (VLLM, ("--api-key=x",)),
        (VLLM, ("--served-model-name", "x")),
        (SGLANG, ("--port", "1")),
        (SGLANG, ("--config", "file")),
        (SGLANG, ("--model-path", "x")),
    ],
)
def test_reserved_arguments_are_refused(server: GpuServer, arguments: tuple[str, ...]) -> None:
    with pytest.raises(EngineSettingsError, match=r"is set by this server"):
        launch(server, GpuServerOptions("m", "m", None, arguments))


def test_missing_programs_and_gpus(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(EngineNotInstalledError, match="vLLM is not installed"):
        check_available(VLLM)
    program = tmp_path / "sglang"
    program.write_text("#!/bin/sh\n")
    program.chmod(0o755)
    monkeypatch.setattr(gpu_servers, "_GPUS", (str(tmp_path / "no-such-device"),))
    with pytest.raises(EngineNotInstalledError, match="SGLang needs a GPU"):
        check_available(SGLANG)
    monkeypatch.setattr(gpu_servers, "_GPUS", (str(tmp_path),))
    check_available(SGLANG)


@pytest.mark.parametrize("server", [VLLM, SGLANG], ids=["vllm", "sglang"])
def test_life_cycle(server: GpuServer, tmp_path: Path) -> None:
    """The whole command starts, with its key outside the command line, and ends."""
    program = tmp_path / server.program
    program.write_text(
        f"#!{sys.executable}\nimport runpy\nrunpy.run_path({stand_in_engine.__file__!r}, {{}}, '__main__')\n"
    )
    program.chmod(0o755)
    started = launch(server, _OPTIONS)
    command = [str(program), *started.settings["command"][1:]]
    engine = EngineProcess("big", Launch(started.module, {**started.settings, "command": command}), ProcessLimits())
    try:
        endpoint = engine.start()
        request = urllib.request.Request(f"{endpoint.url}/", headers={"authorization": f"Bearer {endpoint.key}"})
        with urllib.request.urlopen(request) as response:
            arguments = json.load(response)["arguments"]
        assert endpoint.key not in " ".join(arguments)
        assert arguments[arguments.index("--port") + 1] == endpoint.url.rpartition(":")[2]
    finally:
        engine.stop()
    assert engine.pid is None
