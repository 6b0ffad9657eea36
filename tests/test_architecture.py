"""ARCHITECTURE.md names files that exist."""

import re
import subprocess
from pathlib import Path

PAGE = Path("ARCHITECTURE.md").read_text()
SOURCE = "src/forefront/"


def test_every_path_exists() -> None:
    files = subprocess.run(["git", "ls-files"], capture_output=True, text=True, check=True).stdout.split()
    known = {*files, *(f"{folder}/" for file in files for folder in Path(file).parents)}
    endings = {"/".join(Path(path).parts[start:]) for path in known for start in range(len(Path(path).parts))}
    names = re.findall(r"`([\w./-]+(?:\.(?:py|md)|/))`", PAGE)
    assert len(names) > 100
    assert [name for name in names if name.rstrip("/") not in endings] == []


def test_every_concept_has_its_file() -> None:
    rows = PAGE.split("## Where is …\n")[1].split("\n## ")[0]
    paths = re.findall(r"`([\w./]+\.py)`", rows)
    assert len(re.findall(r"^\| \w", rows, re.MULTILINE)) > 24
    assert [path for path in paths if not Path(SOURCE + path).is_file()] == []
