"""The Hugging Face hub, or a mirror of it: the description of a repository, and the URLs of its files.

`huggingface_hub` reads the environment (`HF_ENDPOINT`, `HF_TOKEN`, `HF_HOME`, `HF_HUB_OFFLINE`) and speaks the API. Its
own downloads delete partial files when interrupted, so `transfer.py` downloads the files.
"""

import os
import re
from dataclasses import dataclass
from importlib.metadata import version
from pathlib import Path
from typing import Any, Final
from urllib.parse import quote, urlsplit

from forefront.catalog.pull.hub.repository import Repository, RepositoryFile
from forefront.catalog.pull.transfer import DownloadError, RemoteFile, proxy_hint
from forefront.catalog.sources.reference import HubReference, is_safe_path
from forefront.catalog.sources.source import SourceError

COMMIT: Final = re.compile(r"[0-9a-f]{40}")
_SHA256: Final = re.compile(r"[0-9a-f]{64}")
_TIMEOUT: Final = 30.0  # seconds
_LICENCE: Final = 100  # characters
_MAX_SIZE: Final = 2**50


@dataclass(frozen=True, slots=True)
class HubSettings:
    """`cache` is the folder that all programs of the hub share. `offline`: no request is sent."""

    endpoint: str
    cache: Path
    token: str | None
    offline: bool

    def __repr__(self) -> str:
        """Without the token."""
        return f"HubSettings({self.endpoint!r}, {str(self.cache)!r})"


def hub_settings() -> HubSettings:
    """The settings in the environment, as every program of the hub reads them."""
    # Without this setting the library sends the names of detected programs from the environment.
    os.environ.setdefault("HF_HUB_DISABLE_TELEMETRY", "1")
    from huggingface_hub import constants, get_token  # the import takes half a second, and most starts do not need it

    return HubSettings(constants.ENDPOINT, Path(constants.HF_HUB_CACHE), get_token(), constants.HF_HUB_OFFLINE)


class Hub:
    """A hub that answers. Errors are `SourceError` with the reference and a reason."""

    def __init__(self, settings: HubSettings) -> None:
        self.settings = settings

    def repository(self, reference: HubReference) -> Repository:
        """The repository's files at the reference's revision."""
        from huggingface_hub import HfApi

        api = HfApi(
            endpoint=self.settings.endpoint,
            token=self.settings.token or False,
            library_name="forefront",
            library_version=version("forefront"),
        )
        try:
            info = api.model_info(
                reference.repository, revision=reference.revision or None, files_metadata=True, timeout=_TIMEOUT
            )
            return _read(reference.repository, info)
        except Exception as error:  # the library does not wrap exceptions of its HTTP and JSON libraries
            raise SourceError(f"{reference}: {self._reason(error, reference)}") from None

    def remote_file(self, repository: Repository, file: RepositoryFile) -> RemoteFile:
        """Where a file's content comes from."""
        url = f"{self.settings.endpoint}/{repository.name}/resolve/{repository.commit}/{quote(file.path)}"
        headers = {"authorization": f"Bearer {self.settings.token}"} if self.settings.token else {}
        return RemoteFile(url, file.size, file.sha256, file.git_sha1, headers)

    def transfer_failure(self, reference: HubReference, file: RepositoryFile, error: DownloadError) -> SourceError:
        """The error for a file that cannot be downloaded."""
        if error.status in (401, 403):
            return SourceError(f"{reference}: {self._gated(reference)}")
        if error.status == 404:
            return SourceError(f"{reference}: the hub lists the file {file.path}, but does not have it")
        return SourceError(f"{reference}: {file.path}: {error}")

    def _reason(self, error: Exception, reference: HubReference) -> str:
        from huggingface_hub import errors

        status = getattr(getattr(error, "response", None), "status_code", None)
        if isinstance(error, errors.GatedRepoError):
            return self._gated(reference)
        if isinstance(error, errors.RevisionNotFoundError):
            return f"the repository has no branch, tag or commit {reference.revision or 'main'}"
        if isinstance(error, errors.DisabledRepoError):
            return "the hub has disabled the repository"
        if isinstance(error, errors.RepositoryNotFoundError) or status == 404:
            return f"there is no such repository on {self._host}, or it is private{self._token_hint()}"
        if status == 401:
            return "the hub does not accept the token in HF_TOKEN"
        if status == 403:
            return self._gated(reference)
        if status is not None:
            return f"the hub answers with status {status}"
        if isinstance(error, _InvalidListingError):
            return f"the hub's description of the repository is invalid: {error}"
        if _is_network(error):
            hint = "HF_HUB_OFFLINE=1 uses models that were pulled before"
            host = f"{self._host}{proxy_hint(self.settings.endpoint)}"
            return f"the hub at {host} cannot be reached: {_one_line(error)}; {hint}"
        return f"the hub's answer cannot be read: {_one_line(error)}"

    @property
    def _host(self) -> str:
        return urlsplit(self.settings.endpoint).netloc.rpartition("@")[2]

    def _gated(self, reference: HubReference) -> str:
        page = f"{self.settings.endpoint}/{reference.repository}"
        return f"the repository is gated: accept its licence at {page}{self._token_hint()}"

    def _token_hint(self) -> str:
        if self.settings.token is None:
            return ", and set HF_TOKEN to a token of an account that may read it"
        return ", with the account of the token in HF_TOKEN"


class _InvalidListingError(Exception):
    """The text is a reason."""


def _read(name: str, info: Any) -> Repository:
    """Every value is checked: names and hashes become paths here."""
    if not isinstance(info.sha, str) or COMMIT.fullmatch(info.sha) is None:
        raise _InvalidListingError("its commit is not a hash")
    files = [_read_file(sibling) for sibling in info.siblings or []]
    return Repository(name, info.sha, _licence(info), tuple(file for file in files if file is not None))


def _read_file(sibling: Any) -> RepositoryFile | None:
    """None for a file with an unusable name, which no model needs."""
    path = sibling.rfilename
    if not isinstance(path, str) or not is_safe_path(path):
        return None
    size = sibling.size if sibling.lfs is None else sibling.lfs.size
    if type(size) is not int or not 0 <= size <= _MAX_SIZE:
        raise _InvalidListingError(f"the size of {path} is {size!r}")
    digest = sibling.blob_id if sibling.lfs is None else sibling.lfs.sha256
    if not isinstance(digest, str) or not (COMMIT if sibling.lfs is None else _SHA256).fullmatch(digest):
        raise _InvalidListingError(f"the hash of {path} is none")
    return RepositoryFile(path, size, git_sha1=digest) if sibling.lfs is None else RepositoryFile(path, size, digest)


def _licence(info: Any) -> str:
    card = info.card_data
    for value in (getattr(card, "license_name", None), getattr(card, "license", None)):
        if isinstance(value, str) and value:
            return value[:_LICENCE]
    return ""


def _is_network(error: Exception) -> bool:
    return isinstance(error, OSError) or type(error).__module__.partition(".")[0] in (
        "httpx",
        "httpx2",
        "httpcore",
        "httpcore2",
    )


def _one_line(error: Exception) -> str:
    return " ".join(str(error).split())[:200] or type(error).__name__
