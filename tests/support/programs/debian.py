"""Programs that tests need and Debian has."""

import os
import shutil
import subprocess
from collections.abc import Callable
from typing import TypeVar

import pytest

from tests.support.workers import in_turn

T = TypeVar("T")


def installed(find: Callable[[], T | None], package: str, missing: str) -> T:
    """What `find` finds. Where it finds nothing, the test is skipped, loudly: `missing` names what is then not tested.
    With CI set the package is installed, or the test fails."""
    ci = os.environ.get("CI")
    found = find()
    if found is None and ci and os.geteuid() == 0 and shutil.which("apt-get"):
        environment = os.environ | {"DEBIAN_FRONTEND": "noninteractive"}
        with in_turn("apt-get"):
            for command in (["update"], ["install", "-y", package]):
                subprocess.run(["apt-get", *command], env=environment, check=True, capture_output=True)
        found = find()
    if found is None:
        text = f"{missing} (apt-get install {package})"
        if ci:
            pytest.fail(text)
        pytest.skip(text)
    return found
