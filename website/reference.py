"""Pages of the API reference: one for the Python SDK's public names, one for each package of the server."""

import ast
from pathlib import Path
from typing import Final

_OPTIONS_OF_MODULE: Final = "    options:\n      heading_level: 2\n      show_root_full_path: true\n"


def write_reference(package: Path, folder: Path) -> None:
    """Write the pages of the package at `package` into `folder`, and an index of them."""
    folder.mkdir()
    (folder / "sdk.md").write_text(
        f"# Python SDK\n\n::: {package.name}\n    options:\n      show_root_heading: false\n"
    )
    rows = []
    for part in sorted(path.parent for path in package.glob("*/__init__.py")):
        name = f"{package.name}.{part.name}"
        modules = [path for path in sorted(part.rglob("*.py")) if _is_documented(path)]
        blocks = [f"::: {_module_name(path, package)}\n{_OPTIONS_OF_MODULE}" for path in modules]
        about = _docstring(part / "__init__.py")
        (folder / f"{part.name}.md").write_text("\n".join([f"# `{name}`\n", f"{about}\n", *blocks]))
        rows.append(f"| [`{name}`]({part.name}.md) | {_first_sentence(about)} |")
    text = "# Reference\n\nMade from the docstrings of the source.\n\n| package | contents |\n|---|---|\n"
    sdk = "| [Python SDK](sdk.md) | the public names of `forefront` |\n"
    (folder / "index.md").write_text(text + sdk + "\n".join(rows) + "\n")


def _is_documented(path: Path) -> bool:
    return not path.name.startswith("__") and "versions" not in path.parts


def _module_name(path: Path, package: Path) -> str:
    return ".".join(path.relative_to(package.parent).with_suffix("").parts)


def _docstring(path: Path) -> str:
    return ast.get_docstring(ast.parse(path.read_text())) or ""


def _first_sentence(text: str) -> str:
    return " ".join(text.split("\n\n")[0].split()).split(". ")[0].rstrip(".")
