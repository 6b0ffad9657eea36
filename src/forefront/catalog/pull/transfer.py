"""The transfer of one file over HTTP: resumed after an interruption, and verified by its hash."""

import hashlib
import os
import re
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from importlib.metadata import version
from pathlib import Path
from typing import Final
from urllib.parse import urlsplit
from urllib.request import getproxies, proxy_bypass

import httpx

from forefront.catalog.sources.reference import is_loopback

# Seconds before each new attempt after consecutive attempts without progress.
PAUSES: Final[tuple[float, ...]] = (0.5, 1.0, 2.0, 4.0, 8.0)
_TIMEOUT: Final = httpx.Timeout(30.0, connect=15.0)
_CHUNK: Final = 2**20
_REDIRECTS: Final = 10
_CONTENT_RANGE: Final = re.compile(r"bytes (?:(\d{1,18})-\d{1,18}|\*)/(?:(\d{1,18})|\*)")
_RETRIED: Final = frozenset({408, 425, 429, 500, 502, 503, 504})


class DownloadError(Exception):
    """A file cannot be downloaded. The text is a reason; `status` is the server's last status, if that is the
    reason."""

    def __init__(self, reason: str, status: int | None = None) -> None:
        super().__init__(reason)
        self.status = status


class _BrokenTransferError(Exception):
    """A failure that a retry may overcome."""


@dataclass(frozen=True, slots=True)
class RemoteFile:
    """A file at a URL. `size` is in bytes, None if unknown; `sha256` or `git_sha1` is the hash that it must have."""

    url: str
    size: int | None
    sha256: str = ""
    git_sha1: str = ""
    headers: Mapping[str, str] = field(default_factory=dict, repr=False)  # they hold the token


class PartialFile:
    """The beginning of a file on disk, with hashes of its content."""

    def __init__(self, path: Path, remote: RemoteFile) -> None:
        self._remote = remote
        self._file = path.open("ab+", buffering=0)
        self.size = 0
        self._reset()
        self._file.seek(0)
        while chunk := self._file.read(_CHUNK):
            self._count(chunk)
        if remote.size is not None and self.size > remote.size:
            self.restart()

    def restart(self) -> None:
        """Drop all content."""
        self._file.truncate(0)
        self._reset()

    def append(self, chunk: bytes) -> None:
        """Write `chunk`. Raises `OSError`, and `DownloadError` if the file becomes longer than it should be."""
        if self._remote.size is not None and self.size + len(chunk) > self._remote.size:
            self.restart()
            raise DownloadError(f"the server sends more than the {self._remote.size} bytes that it declared")
        rest = memoryview(chunk)
        while rest:
            written = self._file.write(rest)
            self._count(rest[:written])
            rest = rest[written:]

    def finish(self) -> str:
        """Compare the content with its hash and make it durable; its SHA-256. Raises `DownloadError`."""
        digest = self._sha256.hexdigest()
        differs = self._remote.sha256 and digest != self._remote.sha256
        if differs or (self._remote.git_sha1 and self._git.hexdigest() != self._remote.git_sha1):
            self.restart()
            raise DownloadError("the downloaded file has another checksum than expected; it has been deleted")
        os.fsync(self._file.fileno())
        return digest

    def close(self) -> None:
        """Close the file; its content stays."""
        self._file.close()

    def _reset(self) -> None:
        self.size = 0
        self._sha256 = hashlib.sha256()
        # A git blob's hash includes its size: https://git-scm.com/book/en/v2/Git-Internals-Git-Objects
        self._git = hashlib.sha1(f"blob {self._remote.size}\0".encode(), usedforsecurity=False)

    def _count(self, chunk: bytes | memoryview) -> None:
        self.size += len(chunk)
        self._sha256.update(chunk)
        if self._remote.git_sha1:
            self._git.update(chunk)


def make_client() -> httpx.Client:
    """A client for transfers: proxies and certificates as the environment says. Raises `DownloadError`."""
    headers = {"accept-encoding": "identity", "user-agent": f"forefront/{version('forefront')}"}
    try:
        return httpx.Client(timeout=_TIMEOUT, headers=headers)
    except (ValueError, ImportError, OSError) as error:  # the proxy's URL, a package for SOCKS, a certificate file
        raise DownloadError(f"the proxy or certificate settings of the environment cannot be used: {error}") from None


def find_size(client: httpx.Client, url: str) -> int | None:
    """The size in bytes that the server states, None if it states none. Raises `DownloadError`."""
    try:
        with _open(client, url, {}, "HEAD") as response:
            text = response.headers.get("content-length", "")
            return int(text) if response.status_code == 200 and re.fullmatch(r"\d{1,18}", text) else None
    except httpx.TransportError:
        return None


def transfer(
    client: httpx.Client,
    remote: RemoteFile,
    path: Path,
    shown: Callable[[int], None],
) -> str:
    """Download the file to `path`, after the content already there, and return its SHA-256. `shown` gets the size after
    each piece. Partial content stays at `path` if the transfer fails. Raises `DownloadError`, and `OSError` of the
    disk.
    """
    partial = PartialFile(path, remote)
    try:
        failures = 0
        while partial.size != remote.size:
            before = partial.size
            shown(before)
            try:
                _receive(client, remote, partial, shown)
                break
            except (httpx.TransportError, _BrokenTransferError) as error:
                failures = 0 if partial.size > before else failures
                if failures == len(PAUSES):
                    raise DownloadError(_reason(error, remote.url)) from None
                time.sleep(PAUSES[failures])
                failures += 1
        return partial.finish()
    finally:
        partial.close()


def _receive(client: httpx.Client, remote: RemoteFile, partial: PartialFile, shown: Callable[[int], None]) -> None:
    """One attempt at the rest of the file."""
    headers = dict(remote.headers) | ({"range": f"bytes={partial.size}-"} if partial.size else {})
    with _open(client, remote.url, headers) as response:
        if _is_complete(response, partial):
            return
        _check_start(response, partial)
        for chunk in response.iter_raw():  # without a buffer, whose content would be lost with the connection
            partial.append(chunk)
            shown(partial.size)
    if remote.size is not None and partial.size < remote.size:
        raise _BrokenTransferError("the connection ended early")


@contextmanager
def _open(client: httpx.Client, url: str, headers: Mapping[str, str], method: str = "GET") -> Iterator[httpx.Response]:
    """The response, after redirects. A redirect to another host is followed without the token (httpx removes it), and
    redirects from https to http are refused."""
    request = client.build_request(method, url, headers=headers)
    for _ in range(_REDIRECTS):
        response = client.send(request, stream=True)
        if response.next_request is None:
            break
        response.close()
        request = response.next_request
        if request.url.scheme != "https" and not (url.startswith("http://") and _same_host(url, request.url)):
            raise DownloadError(f"it is redirected to {request.url.host} without encryption")
    else:
        raise DownloadError("it is redirected too often")
    try:
        yield response
    finally:
        response.close()


def _same_host(url: str, other: httpx.URL) -> bool:
    host = urlsplit(url).hostname or ""
    return other.host == host or (is_loopback(host) and is_loopback(other.host))


def _is_complete(response: httpx.Response, partial: PartialFile) -> bool:
    """Whether a server refuses the range because nothing is left."""
    if response.status_code != 416:
        return False
    match = _CONTENT_RANGE.fullmatch(response.headers.get("content-range", ""))
    if match is not None and match[2] is not None and int(match[2]) == partial.size:
        return True
    partial.restart()
    raise _BrokenTransferError("the server refuses to continue")


def _check_start(response: httpx.Response, partial: PartialFile) -> None:
    """Make the content on disk end where the response begins."""
    status = response.status_code
    if status in _RETRIED:
        raise _BrokenTransferError(f"the server answers with status {status}")
    if status not in (200, 206):
        raise DownloadError(f"the server answers with status {status}", status)
    if response.headers.get("content-encoding", "identity") != "identity":
        raise DownloadError("the server sends it compressed, against the request")
    match = _CONTENT_RANGE.fullmatch(response.headers.get("content-range", "")) if status == 206 else None
    start = 0 if status == 200 else -1 if match is None or match[1] is None else int(match[1])
    if start != partial.size:
        partial.restart()
        if start != 0:
            raise _BrokenTransferError("the server sends another part than the requested one")


def proxy_hint(url: str) -> str:
    """The end of a host's name in an error: whether the environment names a proxy for it."""
    parts, proxies = urlsplit(url), getproxies()
    used = (parts.scheme in proxies or "all" in proxies) and not proxy_bypass(parts.hostname or "")
    return " (through the proxy that the environment names)" if used else ""


def _reason(error: Exception, url: str) -> str:
    host = f"{urlsplit(url).hostname}{proxy_hint(url)}"
    if isinstance(error, httpx.TimeoutException):
        return f"{host} does not answer in time"
    if isinstance(error, httpx.ConnectError):
        return f"{host} cannot be reached: {error}"
    return f"the transfer from {host} breaks off: {error}" if isinstance(error, httpx.TransportError) else str(error)
