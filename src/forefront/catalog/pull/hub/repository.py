"""A repository of model files at one commit."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class RepositoryFile:
    """A file as the hub describes it: `path` in the repository, `size` in bytes, and one of two hashes in hexadecimal.

    Large files have a `sha256`, small ones the `git_sha1` of a git blob.
    """

    path: str
    size: int
    sha256: str = ""
    git_sha1: str = ""

    @property
    def identity(self) -> str:
        """The file's name in the hub's cache: its hash."""
        return self.sha256 or self.git_sha1

    @property
    def name(self) -> str:
        """The last part of the path."""
        return self.path.rpartition("/")[2]


@dataclass(frozen=True, slots=True)
class Repository:
    """`name` is `owner/repo`, `commit` 40 hexadecimal digits, `licence` "" if it declares none."""

    name: str
    commit: str
    licence: str
    files: tuple[RepositoryFile, ...]


@dataclass(frozen=True, slots=True)
class Selection:
    """The files of one model. `main` is the path of its GGUF file, the first part of several, or "" for a directory of
    safetensors. `projector` is the path of a vision model's projector, or ""."""

    files: tuple[RepositoryFile, ...]
    main: str = ""
    projector: str = ""

    @property
    def size(self) -> int:
        """Bytes of all files."""
        return sum(file.size for file in self.files)
