"""README.md names tests that exist."""

import re
from pathlib import Path

FOLDER = Path(__file__).parent


def _named_tests() -> list[tuple[str, str]]:
    """The file of each named test, and its name or the beginning of it."""
    found = []
    for row in (FOLDER / "README.md").read_text().splitlines():
        file = ""
        for name in re.findall(r"`([\w/.…]+)`", row.split("|")[2]) if row.startswith("| ") else []:
            if name.endswith(".py"):
                file = name
            elif file and "_" in name:
                found.append((file, name.rstrip("…")))
    return found


def test_every_named_test_exists() -> None:
    tests = _named_tests()
    assert len(tests) > 40
    files = {file: FOLDER / file if (FOLDER / file).is_file() else FOLDER.parent / file for file, _ in tests}
    texts = {file: path.read_text() for file, path in files.items()}
    assert [(file, name) for file, name in tests if f"def test_{name}" not in texts[file]] == []
