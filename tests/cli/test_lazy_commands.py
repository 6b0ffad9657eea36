"""A command imports what it needs, and the help of the whole imports no command."""

import subprocess
import sys

import pytest

from forefront.cli.app import Commands

_HEAVY = {"httpx", "msgspec", "numpy", "openvino", "sqlalchemy", "starlette", "forefront.cli.commands"}
_STORE = {"alembic", "httpx", "numpy", "openvino", "starlette", "forefront.client", "forefront.engine"}
_CLIENT = {"alembic", "numpy", "openvino", "sqlalchemy", "starlette", "uvicorn"}
_SERVER = {
    *("alembic", "httpx", "huggingface_hub", "ray", "forefront.cluster", "forefront.server.openapi.document"),
    *("forefront.graph.hugging_face.model", "forefront.managed_engines.llama_cpp.loading", "forefront.upstream"),
}


def modules(*arguments: str, **variables: str) -> set[str]:
    """The modules that a run of the command has loaded at its end."""
    script = """
import sys, forefront.cli
sys.argv[0] = "forefront"
try:
    forefront.cli.main()
finally:
    print("\\nmodules:", *sys.modules)
"""
    command = [sys.executable, "-c", script, *arguments]
    run = subprocess.run(command, env=variables or None, capture_output=True, text=True, check=False)
    output, _, loaded = run.stdout.rpartition("modules:")
    assert run.returncode == 0, run.stderr
    assert output.strip()
    return set(loaded.split())


@pytest.mark.parametrize("option", ["--help", "--version"])
def test_options_of_the_whole_import_no_command(option: str) -> None:
    assert not modules(option) & _HEAVY


def test_completion_imports_no_command() -> None:
    loaded = modules(_FOREFRONT_COMPLETE="complete_bash", COMP_WORDS="forefront ke", COMP_CWORD="1")
    assert not loaded & _HEAVY


@pytest.mark.parametrize(
    ("command", "unneeded"),
    [
        *((name, _CLIENT) for name in ("chat", "complete", "top")),
        *((name, _STORE) for name in ("keys", "usage")),
        ("serve", _SERVER),
    ],
)
def test_a_command_imports_only_what_it_needs(command: str, unneeded: set[str]) -> None:
    assert not modules(command, "--help") & unneeded


@pytest.mark.parametrize("name", Commands.lazy)
def test_the_list_shows_the_help_of_each_command(name: str) -> None:
    listed = Commands.lazy[name]
    assert " ".join(listed.load(name).help.split("\n\n")[0].split()) == listed.summary


def test_a_missing_package_of_a_command_is_named() -> None:
    script = """
import sys
sys.modules["sqlalchemy"] = None
import forefront.cli
sys.argv = ["forefront", "keys", "list"]
forefront.cli.main()
"""
    run = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=False)
    assert run.returncode == 1
    assert run.stderr.startswith("forefront: sqlalchemy is not installed.")
    assert run.stderr.endswith("pip install 'forefront[server]'\n")


def test_the_packages_of_the_sdk_need_no_import_of_their_own() -> None:
    script = "import forefront; print(forefront.client.__name__, forefront.wire.__name__)"
    subprocess.run([sys.executable, "-c", script], check=True)
