"""`/admin/*`, for keys with the scope `admin`: keys, projects, usage, status."""

import tempfile
from collections.abc import AsyncIterator, Callable, Sequence
from typing import IO, TypeVar

import msgspec
from starlette.requests import Request
from starlette.responses import Response, StreamingResponse
from starlette.routing import Route
from starlette.types import Receive, Scope, Send

from forefront.catalog.catalog import Catalog
from forefront.fairness.tenant import Tenant
from forefront.fairness.worker_pool import WorkerPool
from forefront.gateway.admission_queue import AdmissionQueue
from forefront.gateway.keys.key_store import KeyStore
from forefront.gateway.ledger.usage_reports import UsageReports
from forefront.server.http.body import parse_body, read_json_body
from forefront.server.http.request_context import request_context
from forefront.server.routes.admin.models import model_status
from forefront.server.sending.send_body import ChunkedResponse
from forefront.server.store_calls import StoreCalls
from forefront.wire.admin.parse import (
    parse_key_limits,
    parse_new_key,
    parse_project_name,
    parse_project_settings,
    parse_report_query,
)
from forefront.wire.admin.records import KeyList, ProjectList, ServerStatus
from forefront.wire.errors import RequestError
from forefront.wire.record import encode_records

T = TypeVar("T")

# Concurrent reports, and the seconds for each: a year of a SQLite store takes about ten.
_MAX_REPORTS = 2
_REPORT_SECONDS = 120.0
_MAX_UNSENT = 16  # reports that are being made or sent: each may take hundreds of MiB on disk
_CHUNK = 2**16  # bytes
_IN_MEMORY = 2**20  # bytes
_NOT_CACHED = {"cache-control": "no-store"}


class AdminRoutes:
    """The handlers. `AuthMiddleware` has checked the scope before."""

    def __init__(
        self, keys: KeyStore, usage: UsageReports, queue: AdmissionQueue, catalog: Catalog, workers: WorkerPool
    ) -> None:
        self._keys = keys
        self._usage = usage
        self._queue = queue
        self._catalog = catalog
        self._workers = workers
        self._store_calls = StoreCalls()
        self._report_calls = StoreCalls(_MAX_REPORTS, _REPORT_SECONDS)
        self._unsent = 0

    def routes(self) -> list[Route]:
        """Every route below `/admin`."""
        return [
            Route("/admin/keys", self._create_key, methods=["POST"]),
            Route("/admin/keys", self._list_keys, methods=["GET"]),
            Route("/admin/keys/{id}", self._show_key, methods=["GET"]),
            Route("/admin/keys/{id}", self._revoke_key, methods=["DELETE"]),
            Route("/admin/keys/{id}/rotate", self._rotate_key, methods=["POST"]),
            Route("/admin/keys/{id}/limits", self._set_limits, methods=["PUT"]),
            Route("/admin/projects", self._list_projects, methods=["GET"]),
            Route("/admin/projects/{name}", self._set_project, methods=["PUT"]),
            Route("/admin/usage", self._report, methods=["GET"]),
            Route("/admin/status", self._status, methods=["GET"]),
        ]

    async def _create_key(self, request: Request) -> Response:
        wanted = await self._parsed(request, parse_new_key)
        return _json(await self._store_calls(lambda: self._keys.create(wanted), _tenant(request)), 201)

    async def _list_keys(self, request: Request) -> Response:
        return await self._list(request, KeyList, self._keys.list_keys)

    async def _show_key(self, request: Request) -> Response:
        return _found(await self._store_calls(lambda: self._keys.get(path_id(request)), _tenant(request)))

    async def _revoke_key(self, request: Request) -> Response:
        return _found(await self._store_calls(lambda: self._keys.revoke(path_id(request)), _tenant(request)))

    async def _rotate_key(self, request: Request) -> Response:
        return _found(await self._store_calls(lambda: self._keys.rotate(path_id(request)), _tenant(request)))

    async def _set_limits(self, request: Request) -> Response:
        wanted = await self._parsed(request, parse_key_limits)
        return _found(
            await self._store_calls(lambda: self._keys.set_limits(path_id(request), wanted), _tenant(request))
        )

    async def _list_projects(self, request: Request) -> Response:
        return await self._list(request, ProjectList, self._keys.list_projects)

    async def _set_project(self, request: Request) -> Response:
        name = parse_project_name(request.path_params["name"])
        settings = await self._parsed(request, parse_project_settings)
        return _json(await self._store_calls(lambda: self._keys.set_project(name, settings), _tenant(request)))

    async def _report(self, request: Request) -> Response:
        wanted = parse_report_query(dict(request.query_params))
        if self._unsent >= _MAX_UNSENT:
            raise RequestError(
                "overloaded", f"The server holds {_MAX_UNSENT} reports that have not been read; try again."
            )
        # The report is complete before the first byte is sent: a slow client does not hold the store.
        file = tempfile.SpooledTemporaryFile(_IN_MEMORY)  # noqa: SIM115 - closed when it has been sent
        self._unsent += 1
        try:
            await self._report_calls(lambda: self._usage.write(file.write, wanted), _tenant(request))
        except BaseException:
            self._unsent -= 1
            raise
        return _Report(file, self._sent)

    async def _list(
        self,
        request: Request,
        make: type[KeyList] | type[ProjectList],
        read: Callable[[], Sequence[msgspec.Struct]],
    ) -> Response:
        """The response with a list of any length, which is read and encoded in a thread of the store."""
        body = await self._store_calls(lambda: msgspec.json.encode(make(data=encode_records(read()))), _tenant(request))
        return ChunkedResponse(body, 200, _NOT_CACHED, "application/json")

    async def _parsed(self, request: Request, parse: Callable[[bytes | bytearray], T]) -> T:
        """The parsed body."""
        body = await read_json_body(request.scope, request.receive, reserved=True)
        return await parse_body(parse, body, request_context(request.scope).memory, self._workers, _tenant(request))

    def _sent(self) -> None:
        self._unsent -= 1

    async def _status(self, _request: Request) -> Response:
        models = {model.name: model_status(model) for model in self._catalog}
        status = ServerStatus(
            running=self._queue.running,
            waiting=self._queue.waiting,
            memory=self._catalog.memory,
            memory_limit=self._catalog.memory_limit,
            models=models,
        )
        return _json(status)


class _Report(StreamingResponse):
    """Sends a file with JSON. When it is sent or the client has disconnected, closes it and calls `ended`."""

    def __init__(self, file: IO[bytes], ended: Callable[[], None]) -> None:
        self._file, self._ended = file, ended
        headers = {"cache-control": "no-store", "content-length": str(file.tell())}
        file.seek(0)
        super().__init__(self._pieces(), headers=headers, media_type="application/json")

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        try:
            await super().__call__(scope, receive, send)
        finally:
            self._file.close()
            self._ended()

    async def _pieces(self) -> AsyncIterator[bytes]:
        while piece := self._file.read(_CHUNK):
            yield piece


def _tenant(request: Request) -> Tenant:
    """The key, not its project: one administrator's calls do not delay another's of the same project."""
    return request_context(request.scope).principal.key_tenant


def path_id(request: Request, name: str = "id") -> str:
    """An id in a path. Raises `RequestError` 404 for characters that no id has: PostgreSQL refuses NUL in a query."""
    text: str = request.path_params[name]
    if not (text.isascii() and text.isprintable()):
        raise RequestError("not_found", "There is no object with that id.")
    return text


def _found(record: object | None) -> Response:
    if record is None:
        raise RequestError("not_found", "There is no active key with that id.")
    return _json(record)


def _json(record: object, status: int = 200) -> Response:
    # A key's text may be in it.
    return Response(msgspec.json.encode(record), status, _NOT_CACHED, "application/json")
