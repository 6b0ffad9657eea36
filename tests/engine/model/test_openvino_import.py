"""OpenVINO is kept from reporting to its makers."""

import subprocess
import sys
from pathlib import Path


def test_importing_the_engine_opens_no_connection_and_leaves_no_files(tmp_path: Path) -> None:
    program = (
        "import socket\n"
        "def refuse(*a, **k): raise SystemExit('a connection was tried')\n"
        "socket.socket.connect = refuse\n"
        "import forefront.tokenizer.files.openvino\n"
        "import forefront.catalog.loaders.gguf_model, forefront.engine.model.model\n"
        "import openvino, openvino_genai\n"
    )
    command = [sys.executable, "-c", program]
    result = subprocess.run(command, env={"HOME": str(tmp_path)}, capture_output=True, text=True, check=False)
    assert result.returncode == 0, result.stderr
    assert list(tmp_path.iterdir()) == []
