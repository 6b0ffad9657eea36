"""Pages of the site: `docs/`, and the pages of other folders under their own names, with their links rewritten."""

import os
import re
import shutil
from collections.abc import Mapping
from pathlib import Path
from typing import Final

# Pages outside of `docs/`: path in the repository, path in the site.
_ELSEWHERE: Final = {
    "README.md": "index.md",
    "ARCHITECTURE.md": "architecture.md",
    "CHANGELOG.md": "changelog.md",
    "CONTRIBUTING.md": "contributing.md",
    "SECURITY.md": "vulnerabilities.md",
    "benchmarks/README.md": "benchmarks.md",
    "benchmarks/NOTES.md": "benchmark-notes.md",
    "clients/node/README.md": "node.md",
    "training/README.md": "training.md",
}
_FENCE: Final = re.compile(r"^(```.*?^```[^\n]*$)", re.MULTILINE | re.DOTALL)
_LINK: Final = re.compile(r"(?P<image>!?)\[(?P<text>[^\]]*)\]\((?P<target>[^)\s]+)\)")


class BrokenLinkError(Exception):
    """A page links to a file that does not exist."""


def stage_pages(root: Path, folder: Path) -> None:
    """Write every page of the repository at `root` to `folder`. Raises `BrokenLinkError`."""
    docs = root / "docs"
    places = dict(_ELSEWHERE)
    for path in sorted(docs.rglob("*.md")):
        places[path.relative_to(root).as_posix()] = path.relative_to(docs).as_posix()
    for source, place in places.items():
        (folder / place).parent.mkdir(parents=True, exist_ok=True)
        (folder / place).write_text(_rewrite((root / source).read_text(), root, source, places, folder))


def _rewrite(text: str, root: Path, source: str, places: Mapping[str, str], folder: Path) -> str:
    """The page's text with each link relative to the page's place in the site."""

    def replace(match: re.Match[str]) -> str:
        image, label, target = match["image"], match["text"], match["target"]
        path, mark, anchor = target.partition("#")
        if not path or re.match(r"[a-z]+:", path):
            return match[0]
        file = os.path.normpath(os.path.join(os.path.dirname(source), path))
        if not (root / file).exists():
            raise BrokenLinkError(f"{source}: the link {target} leads to no file")
        if image:
            place = f"images/{file.replace('/', '-')}"
            (folder / "images").mkdir(exist_ok=True)
            shutil.copy(root / file, folder / place)
        elif file in places or f"{file}/README.md" in places:
            place = places.get(file) or places[f"{file}/README.md"]
        else:
            return label  # a file of the repository that is not a page
        here = os.path.dirname(places[source])
        return f"{image}[{label}]({os.path.relpath(place, here or '.')}{mark}{anchor})"

    parts = _FENCE.split(text)
    return "".join(part if part.startswith("```") else _LINK.sub(replace, part) for part in parts)
