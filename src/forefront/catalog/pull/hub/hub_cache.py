"""The hub's cache on disk, shared with every program that uses `huggingface_hub`, such as vLLM and Transformers.

Layout: https://huggingface.co/docs/huggingface_hub/guides/manage-cache. A file's content is `blobs/<hash>`; a snapshot
of a commit has links to them under the files' names; `refs` has the commit of each branch and tag.
"""

import os
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from typing import Final

from forefront.catalog.pull.hub.hub_api import COMMIT
from forefront.catalog.pull.hub.repository import Repository, RepositoryFile
from forefront.catalog.sources.reference import HubReference

_DEFAULT_REVISION: Final = "main"


class HubCache:
    """One repository's part of the cache at `root`."""

    def __init__(self, root: Path, repository: str) -> None:
        name = "--".join(["models", *repository.split("/")])
        self._repository = repository
        self._locks = root / ".locks" / name
        self.folder = root / name
        self.blobs = self.folder / "blobs"

    def snapshot(self, commit: str) -> Path:
        """The folder with a commit's files."""
        return self.folder / "snapshots" / commit

    def blob(self, file: RepositoryFile) -> Path:
        """The file with the content."""
        return self.blobs / file.identity

    def partial(self, file: RepositoryFile) -> Path:
        """The file with the content received so far."""
        return self.blobs / f"{file.identity}.incomplete"

    def has(self, file: RepositoryFile) -> bool:
        """Whether the content is complete: programs of the hub give a blob its name only then."""
        blob = self.blob(file)
        return blob.is_file() and blob.stat().st_size == file.size

    def lock(self, file: RepositoryFile) -> Path:
        """The lock file that all programs of the hub use for a blob."""
        return self._locks / f"{file.identity}.lock"

    def publish(self, file: RepositoryFile) -> None:
        """Rename the complete content to its final name. Raises `OSError`."""
        self.partial(file).replace(self.blob(file))

    def link(self, commit: str, file: RepositoryFile) -> None:
        """Add the file to the commit's snapshot. Raises `OSError`."""
        path = self.snapshot(commit) / file.path
        path.parent.mkdir(parents=True, exist_ok=True)
        target = os.path.relpath(self.blob(file), path.parent)
        if path.is_symlink() and os.readlink(path) == target:
            return
        temporary = path.with_name(f".{file.identity[:16]}-{os.getpid()}")
        temporary.unlink(missing_ok=True)
        temporary.symlink_to(target)
        temporary.replace(path)

    def set_revision(self, revision: str, commit: str) -> None:
        """Remember the commit of a branch or tag, for use without the network."""
        path = self.folder / "refs" / (revision or _DEFAULT_REVISION)
        with suppress(OSError):  # a cache may be read-only, if all files are there
            if not COMMIT.fullmatch(revision) and _read_text(path) != commit:
                path.parent.mkdir(parents=True, exist_ok=True)
                path.write_text(commit)

    def cached(self, reference: HubReference) -> Repository | None:
        """The repository as the cache has it, None if it has no such revision. Raises `OSError`."""
        revision = reference.revision or _DEFAULT_REVISION
        commit = revision if COMMIT.fullmatch(revision) else ""
        commit = commit or _read_text(self.folder / "refs" / revision)
        if not COMMIT.fullmatch(commit) or not self.snapshot(commit).is_dir():
            return None
        return Repository(self._repository, commit, "", tuple(_cached_files(self.snapshot(commit))))

    def remove(self, commit: str, path: str, identity: str) -> None:
        """Remove a file from a snapshot, and its content if no other snapshot has it. Raises `OSError`."""
        link = self.snapshot(commit) / path
        link.unlink(missing_ok=True)
        if identity and not self._is_linked(identity):
            (self.blobs / identity).unlink(missing_ok=True)
            (self.blobs / f"{identity}.incomplete").unlink(missing_ok=True)
        _remove_empty(link.parent, self.folder / "snapshots")

    def _is_linked(self, identity: str) -> bool:
        links = (path for path in (self.folder / "snapshots").rglob("*") if path.is_symlink())
        return any(os.path.basename(os.readlink(path)) == identity for path in links)


def size_of(path: Path) -> int:
    """Bytes of a file, 0 if there is none."""
    try:
        return path.stat().st_size
    except OSError:
        return 0


def _read_text(path: Path) -> str:
    """The text of a file, "" if there is none."""
    try:
        return path.read_text().strip()
    except (OSError, ValueError):
        return ""


def _cached_files(snapshot: Path) -> Iterator[RepositoryFile]:
    for folder, _, names in os.walk(snapshot):
        for name in names:
            path = Path(folder) / name
            if path.is_file():
                identity = os.path.basename(os.path.realpath(path))
                hashes = {"git_sha1": identity} if COMMIT.fullmatch(identity) else {"sha256": identity}
                yield RepositoryFile(str(path.relative_to(snapshot)), path.stat().st_size, **hashes)


def _remove_empty(folder: Path, top: Path) -> None:
    """Remove empty folders from `folder` up to, but not including, `top`."""
    while folder != top and top in folder.parents:
        try:
            folder.rmdir()
        except OSError:
            return
        folder = folder.parent
