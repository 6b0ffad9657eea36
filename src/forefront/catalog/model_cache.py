"""The cache of models under `FOREFRONT_HOME`: packed weights in a folder for each model, and digests of files."""

import hashlib
import json
import os
import shutil
import tempfile
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any, Final

# Tokens. The longest contexts that models were made for are ten million tokens.
MAX_CONTEXT: Final = 2**24
# Characters of a digest in the name of a folder.
DIGEST_LENGTH: Final = 32
# Incremented with every change of the data derived from tokenizers.
_TOKENIZER: Final = 1


class ModelCache:
    """Folders by name under `models`.

    A folder appears under its final name only when it is complete, so interrupted or concurrent work leaves no partial
    result.
    """

    def __init__(self, home: Path) -> None:
        self.home = home
        self.models = home / "models"
        self._digests = home / "digests.json"

    @contextmanager
    def folder(self, name: str | Callable[[], str], is_complete: Callable[[Path], bool]) -> Iterator[Path]:
        """The folder `name` if it is complete, else an empty one that gets the name if the block succeeds. A function
        is called for the name after the block, which then gets an empty folder. Raises `OSError`."""
        if isinstance(name, str) and is_complete(self.models / name):
            yield self.models / name
            return
        self.models.mkdir(parents=True, exist_ok=True)
        work = Path(tempfile.mkdtemp(prefix="preparing-", dir=self.models))
        try:
            yield work
            _publish(work, self.models / (name if isinstance(name, str) else name()), is_complete)
        finally:
            shutil.rmtree(work, ignore_errors=True)

    def discard(self, name: str) -> None:
        """Remove the folder `name`. Files that processes have mapped stay mapped. Raises `OSError`."""
        work = Path(tempfile.mkdtemp(prefix="preparing-", dir=self.models))
        with suppress(FileNotFoundError):  # another process was faster
            (self.models / name).rename(work / name)
        shutil.rmtree(work, ignore_errors=True)

    def tokenizer(self, digest: str) -> Path:
        """The folder for data derived from the tokenizer of the model with that digest; it may not exist."""
        return self.models / f"{digest[:DIGEST_LENGTH]}-tokenizer-{_TOKENIZER}"

    def packed(self, digest: str) -> list[Path]:
        """The folders of the model with that digest: its packed weights, one folder per combination of options, and the
        data derived from its tokenizer."""
        return sorted(self.models.glob(f"{digest[:DIGEST_LENGTH]}-*")) if digest else []

    def digest(self, paths: Sequence[Path]) -> str:
        """SHA-256, in hexadecimal, of a model's files. A file of the same path, size and time of change is read once.
        Raises `OSError`."""
        known = read_json(self._digests)
        digests = []
        for path in paths:
            entry = known.get(str(path.resolve()))
            if not isinstance(entry, list) or entry[:2] != _state(path):
                state, version = _state(path), file_version(path)
                with path.open("rb") as file:
                    entry = [*state, hashlib.file_digest(file, "sha256").hexdigest()]
                if file_version(path) == version:  # otherwise the digest covers parts of two contents
                    self._remember(str(path.resolve()), entry)
            digests.append(str(entry[2]))
        return digests[0] if len(digests) == 1 else hashlib.sha256("".join(digests).encode()).hexdigest()

    def known_digest(self, paths: Sequence[Path]) -> str | None:
        """The same if no file has to be read for it, else None. Raises `OSError`."""
        known = read_json(self._digests)
        entries = [known.get(str(path.resolve())) for path in paths]
        states = [_state(path) for path in paths]
        read = all(isinstance(entry, list) and entry[:2] == state for entry, state in zip(entries, states, strict=True))
        return self.digest(paths) if read else None

    def may_know(self, paths: Sequence[Path]) -> bool:
        """Whether files of these sizes have been read, under any name and at any time. Raises `OSError`."""
        sizes = {entry[0] for entry in read_json(self._digests).values() if isinstance(entry, list) and entry}
        return all(_state(path)[0] in sizes for path in paths)

    def remember(self, path: Path, sha256: str) -> None:
        """Record the digest of a file that was just written, so that it need not be read. Raises `OSError`."""
        self._remember(str(path.resolve()), [*_state(path), sha256])

    def forget(self, paths: Sequence[Path]) -> None:
        """Read these files again for their next digest."""
        for path in paths:
            self._remember(str(path.resolve()), [])

    def _remember(self, key: str, entry: list[Any]) -> None:
        with suppress(OSError):  # it is read again next time
            self._digests.parent.mkdir(parents=True, exist_ok=True)
            descriptor, name = tempfile.mkstemp(prefix="digests-", dir=self._digests.parent)
            with os.fdopen(descriptor, "w") as file:
                json.dump(read_json(self._digests) | {key: entry}, file)
            Path(name).replace(self._digests)


def _state(path: Path) -> list[int]:
    """The values that change with a file's content: its size and its time of change."""
    seen = path.stat()
    return [seen.st_size, seen.st_mtime_ns]


def file_version(path: Path) -> tuple[int, ...]:
    """Changes with every write to a file, also where its size and its time of change are set back. Raises `OSError`."""
    seen = path.stat()
    return seen.st_ino, seen.st_size, seen.st_mtime_ns, seen.st_ctime_ns


def _publish(work: Path, final: Path, is_complete: Callable[[Path], bool]) -> None:
    if final.exists() and not is_complete(final):
        shutil.rmtree(final)  # damaged after its creation
    try:
        work.rename(final)
    except OSError:
        # Another process was faster; its result is as good.
        if not is_complete(final):
            raise


def read_json(path: Path) -> dict[str, Any]:
    """A JSON object from a file; empty if there is none."""
    try:
        value = json.loads(path.read_text())
    except (OSError, ValueError):
        return {}
    return value if isinstance(value, dict) else {}


def default_home() -> Path:
    """`FOREFRONT_HOME`, or `~/.forefront`."""
    return Path(os.environ.get("FOREFRONT_HOME") or "~/.forefront").expanduser()
