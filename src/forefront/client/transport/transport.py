"""Sending calls over HTTP, as often as it takes. With `incoming`, `fuse` and `unreachable`, all that knows httpx."""

import asyncio
from asyncio import sleep as sleep_async
from collections.abc import Callable
from functools import cache
from importlib.metadata import PackageNotFoundError, version
from time import sleep
from typing import Final, Self, TypeVar

import httpx

from forefront.client.error_parsing import status_failure, unreadable
from forefront.client.exceptions import APIError
from forefront.client.request import Call
from forefront.client.settings import Settings
from forefront.client.transport.response import Reply
from forefront.client.transport.response_stream import AsyncIncomingStream, IncomingStream
from forefront.client.transport.retry import Tries
from forefront.client.transport.transport_errors import Limits, translated

T = TypeVar("T")

_POOL: Final = httpx.Limits(max_connections=1000, max_keepalive_connections=100)


class Transport:
    """Sends calls, one after the other or from many threads."""

    def __init__(self, settings: Settings, http_client: httpx.Client | None) -> None:
        self._settings = settings
        self._own = http_client is None
        self._http = http_client or httpx.Client(limits=_POOL)

    def with_settings(self, settings: Settings) -> Self:
        """Another one, on the same connections."""
        other = type(self)(settings, self._http)
        other._own = self._own
        return other

    def send(self, call: Call) -> Reply:
        """The whole answer. Raises `APIError` when it is not a success."""
        return self._try(call, lambda incoming: success(incoming.read()))

    def open(self, call: Call) -> IncomingStream:
        """An answer whose body is a stream of events. Raises `APIError` when it is none."""
        return self._try(call, _stream)

    def close(self) -> None:
        """Close the connections, unless they are those of an `http_client` that was given."""
        if self._own:
            self._http.close()

    def _try(self, call: Call, receive: Callable[[IncomingStream], T]) -> T:
        tries = Tries(call.timeout, self._settings.max_retries)
        while True:
            limits = Limits(self._settings.base_url, call.timeout, tries.end)
            try:
                with translated(limits):
                    request = _request(self._http, self._settings, call, limits)
                    response = self._http.send(request, stream=True, follow_redirects=False)
                return receive(IncomingStream(response, limits, tries.retries))
            except APIError as error:
                pause = tries.pause_after(error)
            sleep(pause)


class AsyncTransport:
    """`Transport`, for asyncio."""

    def __init__(self, settings: Settings, http_client: httpx.AsyncClient | None) -> None:
        self._settings = settings
        self._own = http_client is None
        self._http = http_client or httpx.AsyncClient(limits=_POOL)

    def with_settings(self, settings: Settings) -> Self:
        """Another one, on the same connections."""
        other = type(self)(settings, self._http)
        other._own = self._own
        return other

    async def send(self, call: Call) -> Reply:
        """The whole answer. Raises `APIError` when it is not a success."""
        tries = Tries(call.timeout, self._settings.max_retries)
        while True:
            try:
                return success(await (await self._ask(call, tries)).read())
            except APIError as error:
                pause = tries.pause_after(error)
            await sleep_async(pause)

    async def open(self, call: Call) -> AsyncIncomingStream:
        """An answer whose body is a stream of events. Raises `APIError` when it is none."""
        tries = Tries(call.timeout, self._settings.max_retries)
        while True:
            try:
                incoming = await self._ask(call, tries)
                if _is_stream(incoming):
                    return incoming
                raise unreadable(success(await incoming.read()), "a stream of events")
            except APIError as error:
                pause = tries.pause_after(error)
            await sleep_async(pause)

    async def close(self) -> None:
        """Close the connections, unless they are those of an `http_client` that was given."""
        if self._own:
            await self._http.aclose()

    async def _ask(self, call: Call, tries: Tries) -> AsyncIncomingStream:
        """One try, as far as the response's head."""
        limits = Limits(self._settings.base_url, call.timeout, tries.end)
        with translated(limits):
            request = _request(self._http, self._settings, call, limits)
            if (left := limits.left()) is None:
                response = await self._http.send(request, stream=True, follow_redirects=False)
            else:
                async with asyncio.timeout(left):
                    response = await self._http.send(request, stream=True, follow_redirects=False)
        return AsyncIncomingStream(response, limits, tries.retries)


def success(reply: Reply) -> Reply:
    """The reply itself. Raises `APIStatusError` when it is not a success."""
    if not 200 <= reply.status < 300:
        raise status_failure(reply)
    return reply


def _stream(incoming: IncomingStream) -> IncomingStream:
    if _is_stream(incoming):
        return incoming
    raise unreadable(success(incoming.read()), "a stream of events")


def _is_stream(incoming: IncomingStream | AsyncIncomingStream) -> bool:
    kind = incoming.headers.get("content-type", "text/event-stream")
    return 200 <= incoming.status < 300 and kind.lower().startswith("text/event-stream")


def _request(http: httpx.Client | httpx.AsyncClient, settings: Settings, call: Call, limits: Limits) -> httpx.Request:
    headers = {
        "accept": "text/event-stream" if call.stream else "application/json",
        "authorization": f"Bearer {settings.api_key}",
        "user-agent": f"forefront-python/{_version()}",
    }
    if call.body is not None:
        headers["content-type"] = "application/json"
    if call.idempotency_key is not None:
        headers["idempotency-key"] = call.idempotency_key
    for name, value in {**settings.headers, **call.headers}.items():
        headers[name.lower()] = value
    return http.build_request(
        call.method, settings.base_url + call.path, content=call.body, headers=headers, timeout=limits.for_httpx()
    )


@cache
def _version() -> str:
    try:
        return version("forefront")
    except PackageNotFoundError:  # run from a copy of the sources
        return "0"
