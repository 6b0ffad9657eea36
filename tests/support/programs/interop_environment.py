"""Virtual environments for other people's Python clients, whose pinned versions conflict."""

import os
import shutil
import subprocess
import venv
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[3]
ENVIRONMENTS = ROOT / ".venv-interop"
SUITES = ROOT / "tests" / "interop" / "python"
# No client reports to its maker or loads anything from the network.
_QUIET = {
    "HAYSTACK_TELEMETRY_ENABLED": "False",
    "LANGSMITH_TRACING": "false",
    "LITELLM_LOCAL_MODEL_COST_MAP": "True",
    "OPENAI_AGENTS_DISABLE_TRACING": "1",
}


def install(name: str) -> Path:
    """The interpreter of the environment that `requirements/NAME.txt` locks. Installed at the first use and when the
    lock has changed. Where the package index is out of reach the test is skipped; with CI set it fails."""
    lock, folder = ROOT / "requirements" / f"{name}.txt", ENVIRONMENTS / name
    python, installed = folder / "bin" / "python", folder / "installed.txt"
    if installed.exists() and installed.read_bytes() == lock.read_bytes():
        return python
    venv.create(folder, with_pip=True, clear=True)
    command = [str(python), "-m", "pip", "install", "--quiet", "--disable-pip-version-check", "--no-deps"]
    command += ["--require-hashes", "-r", str(lock)]
    result = subprocess.run(command, capture_output=True, text=True, timeout=580, check=False)
    if result.returncode:
        text = f"Installing {lock.name} failed, so that its clients are NOT tested: {result.stderr[-2000:]}"
        if os.environ.get("CI"):
            pytest.fail(text)
        pytest.skip(text)
    shutil.copy(lock, installed)
    return python


def run_suite(python: Path, suite: str, home: Path, *, url: str, key: str) -> None:
    """Run one file of `tests/interop/python` against a server. `home`: an empty folder for what clients write."""
    variables = {name: value for name, value in os.environ.items() if name in ("PATH", "LANG", "TMPDIR")}
    variables |= {"HOME": str(home), "FOREFRONT_BASE_URL": url, "FOREFRONT_API_KEY": key} | _QUIET
    command = [str(python), "-m", "pytest", "-q", "-c", "pytest.ini", f"{suite}.py"]
    result = subprocess.run(
        command, cwd=SUITES, env=variables, capture_output=True, text=True, timeout=280, check=False
    )
    assert result.returncode == 0, result.stdout[-12_000:] + result.stderr[-4000:]
