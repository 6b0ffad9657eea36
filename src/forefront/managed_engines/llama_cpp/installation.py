"""Whether llama.cpp is installed, and its version."""

import importlib.util
from importlib.metadata import version
from typing import Final

from forefront.managed_engines.errors import EngineNotInstalledError

_PACKAGE: Final = "xllamacpp"


def engine_version() -> str:
    """The engine's name and version. Raises `EngineNotInstalledError`."""
    check_installed()
    return f"llama.cpp, {_PACKAGE} {version(_PACKAGE)}"


def is_installed() -> bool:
    """Whether llama.cpp can be started."""
    return importlib.util.find_spec(_PACKAGE) is not None


def check_installed() -> None:
    """Raises `EngineNotInstalledError`."""
    if not is_installed():
        raise EngineNotInstalledError("llama.cpp is not installed: pip install 'forefront[llamacpp]'")
