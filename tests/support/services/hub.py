"""A stand-in for the Hugging Face hub on loopback, with its HTTP API, and with faults.

Large files are redirected to a second server, as the hub does, so that the token must not follow.
"""

import hashlib
import json
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import unquote, urlsplit

COMMIT = "0123456789abcdef0123456789abcdef01234567"
NEXT_COMMIT = "89abcdef0123456789abcdef0123456789abcdef"
_LARGE = (".gguf", ".safetensors", ".bin")


@dataclass
class Repository:
    """`listed` overrides the description of a file; `token`: a token that the files need, `gated`: why."""

    files: dict[str, bytes]
    commit: str = COMMIT
    licence: str = "apache-2.0"
    token: str = ""
    private: bool = False
    listed: dict[str, dict[str, Any]] = field(default_factory=dict)


@dataclass
class Hub:
    """`cuts` are numbers of bytes after which the next downloads of large files are cut off. `gate`, while it is
    closed, holds downloads after `held_after` bytes. `content` replaces the large files' bytes."""

    url: str = ""
    storage_url: str = ""
    repositories: dict[str, Repository] = field(default_factory=dict)
    cuts: list[int] = field(default_factory=list)
    gate: threading.Event = field(default_factory=threading.Event)
    held_after: int = 0
    statuses: list[int] = field(default_factory=list)
    ignores_ranges: bool = False
    endless: bool = False
    content: bytes | None = None
    redirect: str = ""
    requests: list[tuple[str, str, str, str | None, str | None]] = field(default_factory=list)

    def downloads(self) -> list[tuple[str, str | None]]:
        """Path and range of every request to the storage."""
        return [(path, range_) for server, method, path, range_, _ in self.requests if server == "storage"]

    def tokens(self, server: str) -> set[str | None]:
        """The `authorization` headers that a server got."""
        return {token for name, _, _, _, token in self.requests if name == server}

    def find(self, digest: str) -> bytes:
        """A large file's content by its hash."""
        files = (data for repository in self.repositories.values() for data in repository.files.values())
        return next(data for data in files if hashlib.sha256(data).hexdigest() == digest)


@contextmanager
def run_hub(**repositories: Repository) -> Iterator[Hub]:
    """Serve repositories, named `owner__name` or added to `Hub.repositories`, until the end of the block."""
    hub = Hub(repositories={name.replace("__", "/"): repository for name, repository in repositories.items()})
    hub.gate.set()
    servers = [_server(hub, _HubHandler), _server(hub, _StorageHandler)]
    hub.url, hub.storage_url = (f"http://127.0.0.1:{server.server_port}" for server in servers)
    threads = [threading.Thread(target=server.serve_forever, args=(0.05,)) for server in servers]
    for thread in threads:
        thread.start()
    try:
        yield hub
    finally:
        hub.gate.set()
        for server, thread in zip(servers, threads, strict=True):
            server.shutdown()
            thread.join()
            server.server_close()


class _Server(ThreadingHTTPServer):
    def handle_error(self, *_: object) -> None:
        """Clients that leave early are expected."""


def _server(hub: Hub, handler: type["_Handler"]) -> ThreadingHTTPServer:
    return _Server(("127.0.0.1", 0), type("Handler", (handler,), {"hub": hub}))


class _Handler(BaseHTTPRequestHandler):
    hub: Hub
    name = ""
    protocol_version = "HTTP/1.1"

    def do_HEAD(self) -> None:
        self.do_GET()

    def do_GET(self) -> None:
        headers = self.headers
        self.hub.requests.append((self.name, self.command, self.path, headers["range"], headers["authorization"]))
        self.answer([unquote(part) for part in urlsplit(self.path).path.strip("/").split("/")])

    def answer(self, parts: list[str]) -> None:
        raise NotImplementedError

    def send(self, status: int, body: bytes = b"", **headers: str) -> None:
        self.send_response(status)
        for name, value in headers.items():
            self.send_header(name.replace("_", "-"), value)
        self.send_header("content-length", str(len(body)))
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(body)

    def log_message(self, *_: object) -> None:
        pass


class _HubHandler(_Handler):
    name = "hub"

    def answer(self, parts: list[str]) -> None:
        if self.hub.statuses:
            self.send(self.hub.statuses.pop(0))
        elif parts[:2] == ["api", "models"] and len(parts) in (4, 6):
            self._describe("/".join(parts[2:4]), parts[5] if len(parts) == 6 else "main")
        elif len(parts) > 4 and parts[2] == "resolve":
            self._resolve("/".join(parts[:2]), parts[3], "/".join(parts[4:]))
        else:
            self.send(404, b"{}")

    def _find(self, name: str, revision: str) -> Repository | None:
        repository = self.hub.repositories.get(name)
        authorized = repository is not None and self.headers["authorization"] == f"Bearer {repository.token}"
        if repository is None or (repository.private and not authorized):
            self.send(401 if self.headers["authorization"] is None else 404, b"{}", X_Error_Code="RepoNotFound")
        elif revision not in ("main", repository.commit, "v1"):
            self.send(404, b"{}", X_Error_Code="RevisionNotFound")
        else:
            return repository
        return None

    def _describe(self, name: str, revision: str) -> None:
        repository = self._find(name, revision)
        if repository is None:
            return
        siblings = [_sibling(path, data) | repository.listed.get(path, {}) for path, data in repository.files.items()]
        record: dict[str, Any] = {
            "id": name,
            "sha": repository.commit,
            "gated": "manual" if repository.token else False,
        }
        record |= {"cardData": {"license": repository.licence}, "siblings": siblings}
        self.send(200, json.dumps(record).encode(), content_type="application/json")

    def _resolve(self, name: str, revision: str, path: str) -> None:
        repository = self._find(name, revision)
        if repository is None:
            return
        if path not in repository.files:
            self.send(404, b"Entry not found", X_Error_Code="EntryNotFound", X_Repo_Commit=repository.commit)
        elif repository.token and self.headers["authorization"] != f"Bearer {repository.token}":
            status = 401 if self.headers["authorization"] is None else 403
            self.send(status, b"Access is restricted", X_Error_Code="GatedRepo")
        elif path.endswith(_LARGE):
            data = repository.files[path]
            digest = hashlib.sha256(data).hexdigest()
            location = self.hub.redirect or f"{self.hub.storage_url}/{digest}?signature=secret"
            etag = f'"{digest}"'
            self.send(
                302,
                X_Repo_Commit=repository.commit,
                X_Linked_Size=str(len(data)),
                X_Linked_Etag=etag,
                location=location,
            )
        else:
            data = repository.files[path]
            self.send(200, data, ETag=f'"{git_sha1(data)}"', X_Repo_Commit=repository.commit)


class _StorageHandler(_Handler):
    """A file server with ranges."""

    name = "storage"

    def answer(self, parts: list[str]) -> None:
        hub = self.hub
        data = hub.find(parts[0]) if hub.content is None else hub.content
        start = 0
        if self.headers["range"] and not hub.ignores_ranges:
            start = int(self.headers["range"].removeprefix("bytes=").rstrip("-"))
        if start >= len(data):
            self.send(416, content_range=f"bytes */{len(data)}")
            return
        self.send_response(206 if start else 200)
        if start:
            self.send_header("content-range", f"bytes {start}-{len(data) - 1}/{len(data)}")
        if hub.endless:
            self.close_connection = True
        else:
            self.send_header("content-length", str(len(data) - start))
        self.end_headers()
        if self.command != "HEAD":
            self._send_body(data[start:])

    def _send_body(self, body: bytes) -> None:
        hub = self.hub
        if hub.cuts:
            body = body[: hub.cuts.pop(0)]
            self.close_connection = True
        self.wfile.write(body[: hub.held_after])
        self.wfile.flush()
        hub.gate.wait(30)
        self.wfile.write(body[hub.held_after :])
        try:
            while hub.endless:
                self.wfile.write(bytes(2**16))
        except OSError:
            pass


def git_sha1(data: bytes) -> str:
    """The hash of a git blob."""
    return hashlib.sha1(b"blob %d\0" % len(data) + data, usedforsecurity=False).hexdigest()


def _sibling(path: str, data: bytes) -> dict[str, Any]:
    record: dict[str, Any] = {"rfilename": path, "size": len(data), "blobId": git_sha1(data)}
    if path.endswith(_LARGE):
        record["lfs"] = {"sha256": hashlib.sha256(data).hexdigest(), "size": len(data), "pointerSize": 134}
    return record
