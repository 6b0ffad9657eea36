"""Sending calls over HTTP. The only file that knows httpx."""

from collections.abc import AsyncGenerator, Generator, Iterator
from contextlib import contextmanager
from importlib.metadata import PackageNotFoundError, version
from typing import Final

import httpx

from forefront.client.exceptions import APIConnectionError, APITimeoutError
from forefront.client.failure import status_failure, unreadable
from forefront.client.reply import Reply
from forefront.client.request import Call
from forefront.client.settings import Settings

_CONNECT_TIMEOUT: Final = 5.0
_LIMITS: Final = httpx.Limits(max_connections=1000, max_keepalive_connections=100)


class Transport:
    """Sends calls, one after the other or from many threads."""

    def __init__(self, settings: Settings, http_client: httpx.Client | None) -> None:
        self._settings = settings
        self._own = http_client is None
        self._http = http_client or httpx.Client(limits=_LIMITS)

    def send(self, call: Call) -> Reply:
        """The whole answer. Raises `APIError` when it is not a success."""
        with _translated(self._settings, call):
            response = self._http.send(_request(self._http, self._settings, call))
        return _success(_reply(self._settings, response))

    def open(self, call: Call) -> "IncomingStream":
        """An answer whose body is a stream of events. Raises `APIError` when it is none."""
        with _translated(self._settings, call):
            response = self._http.send(_request(self._http, self._settings, call), stream=True)
            if not _is_stream(response):
                try:
                    response.read()
                finally:
                    response.close()
                raise unreadable(_success(_reply(self._settings, response)), "a stream of events")
        return IncomingStream(response, self._settings, call)

    def close(self) -> None:
        """Close the connections, unless they are those of an `http_client` that was given."""
        if self._own:
            self._http.close()


class AsyncTransport:
    """`Transport`, for asyncio."""

    def __init__(self, settings: Settings, http_client: httpx.AsyncClient | None) -> None:
        self._settings = settings
        self._own = http_client is None
        self._http = http_client or httpx.AsyncClient(limits=_LIMITS)

    async def send(self, call: Call) -> Reply:
        """The whole answer. Raises `APIError` when it is not a success."""
        with _translated(self._settings, call):
            response = await self._http.send(_request(self._http, self._settings, call))
        return _success(_reply(self._settings, response))

    async def open(self, call: Call) -> "AsyncIncomingStream":
        """An answer whose body is a stream of events. Raises `APIError` when it is none."""
        with _translated(self._settings, call):
            response = await self._http.send(_request(self._http, self._settings, call), stream=True)
            if not _is_stream(response):
                try:
                    await response.aread()
                finally:
                    await response.aclose()
                raise unreadable(_success(_reply(self._settings, response)), "a stream of events")
        return AsyncIncomingStream(response, self._settings, call)

    async def close(self) -> None:
        """Close the connections, unless they are those of an `http_client` that was given."""
        if self._own:
            await self._http.aclose()


class IncomingStream:
    """A response whose body is still to come."""

    def __init__(self, response: httpx.Response, settings: Settings, call: Call) -> None:
        self._response = response
        self._settings = settings
        self._call = call
        self.request_id: str | None = response.headers.get("x-request-id")

    def pieces(self) -> Generator[bytes, None, None]:
        """The body as it arrives. Raises `APIConnectionError`."""
        with _translated(self._settings, self._call):
            yield from self._response.iter_bytes()

    def close(self) -> None:
        """Let the connection go; harmless when repeated."""
        self._response.close()


class AsyncIncomingStream:
    """`IncomingStream`, for asyncio."""

    def __init__(self, response: httpx.Response, settings: Settings, call: Call) -> None:
        self._response = response
        self._settings = settings
        self._call = call
        self.request_id: str | None = response.headers.get("x-request-id")

    async def pieces(self) -> AsyncGenerator[bytes, None]:
        """The body as it arrives. Raises `APIConnectionError`."""
        with _translated(self._settings, self._call):
            async for piece in self._response.aiter_bytes():
                yield piece

    async def close(self) -> None:
        """Let the connection go; harmless when repeated."""
        await self._response.aclose()


def _request(http: httpx.Client | httpx.AsyncClient, settings: Settings, call: Call) -> httpx.Request:
    headers = {
        "accept": "text/event-stream" if call.stream else "application/json",
        "authorization": f"Bearer {settings.api_key}",
        "user-agent": f"forefront-python/{_version()}",
    }
    if call.body is not None:
        headers["content-type"] = "application/json"
    timeout = httpx.Timeout(call.timeout, connect=_connect_timeout(call))
    return http.build_request(
        call.method, settings.base_url + call.path, content=call.body, headers=headers, timeout=timeout
    )


def _connect_timeout(call: Call) -> float:
    return _CONNECT_TIMEOUT if call.timeout is None else min(_CONNECT_TIMEOUT, call.timeout)


def _version() -> str:
    try:
        return version("forefront")
    except PackageNotFoundError:  # run from a copy of the sources
        return "0"


def _is_stream(response: httpx.Response) -> bool:
    kind = response.headers.get("content-type", "text/event-stream")
    return response.is_success and kind.lower().startswith("text/event-stream")


def _reply(settings: Settings, response: httpx.Response) -> Reply:
    return Reply(settings.base_url, response.status_code, response.headers, response.content)


def _success(reply: Reply) -> Reply:
    if not 200 <= reply.status < 300:
        raise status_failure(reply)
    return reply


@contextmanager
def _translated(settings: Settings, call: Call) -> Iterator[None]:
    """Raise what httpx raises as the SDK's own exceptions."""
    url = settings.base_url
    try:
        yield
    except httpx.ConnectTimeout as error:
        raise APITimeoutError(f"Cannot connect to {url} within {_connect_timeout(call):g} s.") from error
    except httpx.TimeoutException as error:
        raise APITimeoutError(f"Nothing came from {url} for {call.timeout:g} s.") from error
    except httpx.ConnectError as error:
        raise APIConnectionError(
            f"Cannot connect to {url}: {_reason(error)}. If no server is running, start one with `forefront serve`."
        ) from error
    except httpx.RequestError as error:
        raise APIConnectionError(f"The connection to {url} broke: {_reason(error)}.") from error


def _reason(error: httpx.RequestError) -> str:
    return str(error).rstrip(".") or type(error).__name__
