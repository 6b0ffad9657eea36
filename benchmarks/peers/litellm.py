"""LiteLLM's proxy as a peer, in its own environment."""

import json
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Final

from benchmarks.peers.environment import environment, pinned_version
from benchmarks.peers.peer import Peer
from benchmarks.peers.process import run_process, wait_until_ready
from tests.support.ports import free_port

NAME: Final = "LiteLLM"
_KEY: Final = "sk-litellm-0123456789"


@contextmanager
def run_litellm(upstream: str, key: str, model: str, folder: Path) -> Iterator[Peer]:
    """Run the proxy with one model, which the upstream with that base URL answers, without a database. Raises
    `PeerError`."""
    settings = folder / "litellm.json"  # JSON is YAML
    parameters = {"model": f"openai/{model}", "api_base": upstream, "api_key": key}
    fields = {
        "model_list": [{"model_name": model, "litellm_params": parameters}],
        "litellm_settings": {"telemetry": False},
        "general_settings": {"master_key": _KEY},
    }
    settings.write_text(json.dumps(fields))
    port, programs, log = free_port(), environment("litellm"), folder / "litellm.log"
    command = [str(programs / "litellm"), "--config", str(settings), "--host", "127.0.0.1", "--port", str(port)]
    variables = {"PATH": f"{programs}{os.pathsep}{os.environ['PATH']}", "HOME": str(folder), "LITELLM_LOG": "ERROR"}
    with run_process(command, log, variables) as process:
        url = f"http://127.0.0.1:{port}"
        wait_until_ready(NAME, f"{url}/health/liveliness", process, log)
        yield Peer(NAME, pinned_version("litellm", "litellm"), url, _KEY, model, process.pid)
