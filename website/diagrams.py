"""The renderer of Mermaid diagrams, served by the site itself and loaded by pages that have a diagram."""

import hashlib
import shutil
import tarfile
from pathlib import Path
from typing import Final

# The npm package @mermaid-js/tiny 12.0.0.
_SHA256: Final = "94f4bea4d69ae2766d6d29cd3321c9ed6be8c640852c57ef89d4f9999ada9783"
_MEMBER: Final = "package/dist/mermaid.tiny.js"


def write_renderer(tarball: Path, folder: Path) -> None:
    """Copy the renderer and the script that loads it into `folder`. Raises `ValueError` for another tarball."""
    digest = hashlib.sha256(tarball.read_bytes()).hexdigest()
    if digest != _SHA256:
        raise ValueError(f"{tarball} has the SHA-256 {digest}, not {_SHA256}")
    folder.mkdir(parents=True)
    with tarfile.open(tarball) as archive:
        renderer = archive.extractfile(_MEMBER)
        assert renderer is not None
        (folder / "mermaid.js").write_bytes(renderer.read())
    shutil.copy(Path(__file__).parent / "load_mermaid.js", folder)
