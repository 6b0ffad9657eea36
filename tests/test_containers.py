"""The Dockerfile without Docker: its commands run in a fresh folder, and what they install serves."""

import fnmatch
import json
import os
import re
import shlex
import shutil
import subprocess
import sys
from dataclasses import dataclass, field
from pathlib import Path

import pytest
import yaml

_ROOT = Path(__file__).parents[1]


@dataclass
class Stage:
    """One `FROM` of the Dockerfile and the instructions that follow it."""

    image: str
    instructions: list[tuple[str, str]] = field(default_factory=list)

    def all(self, name: str) -> list[str]:
        return [text for instruction, text in self.instructions if instruction == name]


def stages() -> list[Stage]:
    text = re.sub(r"\\\n\s*", "", (_ROOT / "Dockerfile").read_text())
    lines = [line for line in text.splitlines() if line and not line.startswith("#")]
    found: list[Stage] = []
    for line in lines:
        name, _, rest = line.partition(" ")
        if name == "FROM":
            found.append(Stage(rest))
        else:
            found[-1].instructions.append((name, rest.strip()))
    return found
