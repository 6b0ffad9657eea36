"""LiteLLM's proxy as a peer, in an environment of its own."""

import json
import os
import subprocess
import sys
import time
import urllib.error
import urllib.request
import venv
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from tests.support.ports import free_port

VERSION: Final = "1.106.12"
KEY: Final = "sk-litellm-0123456789"
_FOLDER: Final = Path(__file__).parent / "build" / f"litellm-{VERSION}"
_START_SECONDS: Final = 120.0


@dataclass
class LiteLlm:
    """A running proxy: its address and its process."""

    url: str
    process: subprocess.Popen[bytes]


def install() -> Path:
    """The folder of its programs, installed from PyPI on first use (a few minutes)."""
    programs = _FOLDER / "bin"
    if not (programs / "litellm").exists():
        print(f"Installing litellm[proxy] {VERSION} (once) ...", flush=True)
        venv.create(_FOLDER, with_pip=True)
        subprocess.run([programs / "python", "-m", "pip", "install", "-q", f"litellm[proxy]=={VERSION}"], check=True)
    return programs


@contextmanager
def run_litellm(upstream: str, key: str, model: str, folder: Path) -> Iterator[LiteLlm]:
    """Run the proxy with one model, which the upstream with that base URL answers, without a database."""
    settings = folder / "litellm.json"  # JSON is YAML
    parameters = {"model": f"openai/{model}", "api_base": upstream, "api_key": key}
    fields = {
        "model_list": [{"model_name": model, "litellm_params": parameters}],
        "litellm_settings": {"telemetry": False},
        "general_settings": {"master_key": KEY},
    }
    settings.write_text(json.dumps(fields))
    port, programs = free_port(), install()
    command = [str(programs / "litellm"), "--config", str(settings), "--host", "127.0.0.1", "--port", str(port)]
    environment = {"PATH": f"{programs}{os.pathsep}{os.environ['PATH']}", "HOME": str(folder), "LITELLM_LOG": "ERROR"}
    with (folder / "litellm.log").open("wb") as log:
        process = subprocess.Popen(command, env=environment, stdout=log, stderr=log)
        try:
            url = f"http://127.0.0.1:{port}"
            _wait(url, process, folder / "litellm.log")
            yield LiteLlm(url, process)
        finally:
            process.terminate()
            process.wait()


def _wait(url: str, process: subprocess.Popen[bytes], log: Path) -> None:
    end = time.monotonic() + _START_SECONDS
    while process.poll() is None and time.monotonic() < end:
        try:
            with urllib.request.urlopen(f"{url}/health/liveliness", timeout=2):
                return
        except (urllib.error.URLError, OSError):
            time.sleep(0.2)
    process.kill()
    sys.exit(f"LiteLLM's proxy did not start:\n{log.read_text()[-2000:]}")
