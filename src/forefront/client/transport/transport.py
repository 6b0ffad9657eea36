"""Sending calls over HTTP, with retries."""

import asyncio
from asyncio import sleep as sleep_async
from collections.abc import Callable
from dataclasses import replace
from functools import cache
from importlib.metadata import PackageNotFoundError, version
from time import sleep
from typing import Self, TypeVar

import httpx

from forefront.client.error_parsing import status_error, unexpected_response
from forefront.client.exceptions import APIError
from forefront.client.request import Call
from forefront.client.settings import ClientSettings
from forefront.client.transport.http_client import AsyncHTTPClient, HTTPClient
from forefront.client.transport.response import HTTPResponse
from forefront.client.transport.response_stream import AsyncResponseStream, ResponseStream
from forefront.client.transport.retry import RetryState
from forefront.client.transport.transport_errors import AttemptLimits, translate_errors

T = TypeVar("T")


class Transport:
    """Sends calls, from any number of threads."""

    def __init__(self, settings: ClientSettings, client: HTTPClient) -> None:
        self._settings = settings
        self._client = client

    def with_settings(self, settings: ClientSettings) -> Self:
        """A transport with other settings, on the same connections."""
        return type(self)(settings, self._client)

    def send(self, call: Call) -> HTTPResponse:
        """The whole response. Raises `APIError` unless it is a success."""
        return self._with_retries(call, lambda response: require_success(response.read()))

    def open(self, call: Call) -> ResponseStream:
        """A response with a body of server-sent events. Raises `APIError` for any other."""
        response = self._with_retries(call, _require_events)
        if call.idempotency_key is not None:
            response.resumptions = self._settings.max_retries
            response.reopen = lambda last_id, end: self._with_retries(_resumption(call, last_id), _require_events, end)
        return response

    def close(self) -> None:
        """Close the connections, except those of an `http_client` of the caller's."""
        self._client.close()

    def _with_retries(self, call: Call, receive: Callable[[ResponseStream], T], end: float | None = None) -> T:
        state = RetryState(call.timeout, self._settings.max_retries, end)
        while True:
            limits = AttemptLimits(self._settings.base_url, call.timeout, state.end)
            client = self._client.get()
            try:
                with translate_errors(limits):
                    request = _build_request(client, self._settings, call, limits)
                    response = client.send(request, stream=True, follow_redirects=False)
                return receive(ResponseStream(response, limits, state.retries))
            except APIError as error:
                pause = state.pause_after(error)
            sleep(pause)


class AsyncTransport:
    """`Transport`, for asyncio."""

    def __init__(self, settings: ClientSettings, client: AsyncHTTPClient) -> None:
        self._settings = settings
        self._client = client

    def with_settings(self, settings: ClientSettings) -> Self:
        """A transport with other settings, on the same connections."""
        return type(self)(settings, self._client)

    async def send(self, call: Call) -> HTTPResponse:
        """The whole response. Raises `APIError` unless it is a success."""
        state = RetryState(call.timeout, self._settings.max_retries)
        while True:
            try:
                return require_success(await (await self._attempt(call, state)).read())
            except APIError as error:
                pause = state.pause_after(error)
            await sleep_async(pause)

    async def open(self, call: Call) -> AsyncResponseStream:
        """A response with a body of server-sent events. Raises `APIError` for any other."""
        response = await self._open(call)
        if call.idempotency_key is not None:
            response.resumptions = self._settings.max_retries
            response.reopen = lambda last_id, end: self._open(_resumption(call, last_id), end)
        return response

    async def _open(self, call: Call, end: float | None = None) -> AsyncResponseStream:
        state = RetryState(call.timeout, self._settings.max_retries, end)
        while True:
            try:
                response = await self._attempt(call, state)
                if _has_events(response):
                    return response
                raise unexpected_response(require_success(await response.read()), "a stream of events")
            except APIError as error:
                pause = state.pause_after(error)
            await sleep_async(pause)

    async def close(self) -> None:
        """Close the connections, except those of an `http_client` of the caller's."""
        await self._client.close()

    async def _attempt(self, call: Call, state: RetryState) -> AsyncResponseStream:
        """Send once and wait for the head of the response."""
        limits = AttemptLimits(self._settings.base_url, call.timeout, state.end)
        client = self._client.get()
        with translate_errors(limits):
            request = _build_request(client, self._settings, call, limits)
            async with asyncio.timeout(limits.seconds_left()):
                response = await client.send(request, stream=True, follow_redirects=False)
        return AsyncResponseStream(response, limits, state.retries)


def _resumption(call: Call, last_id: str) -> Call:
    """The call that continues a stream after an event."""
    return replace(call, headers={**call.headers, "last-event-id": last_id})


def require_success(response: HTTPResponse) -> HTTPResponse:
    """The response itself. Raises `APIStatusError` unless it is a success."""
    if not 200 <= response.status < 300:
        raise status_error(response)
    return response


def _require_events(response: ResponseStream) -> ResponseStream:
    if _has_events(response):
        return response
    raise unexpected_response(require_success(response.read()), "a stream of events")


def _has_events(response: ResponseStream | AsyncResponseStream) -> bool:
    media_type = response.headers.get("content-type", "text/event-stream")
    return 200 <= response.status < 300 and media_type.lower().startswith("text/event-stream")


def _build_request(
    client: httpx.Client | httpx.AsyncClient, settings: ClientSettings, call: Call, limits: AttemptLimits
) -> httpx.Request:
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
    return client.build_request(
        call.method, settings.base_url + call.path, content=call.body, headers=headers, timeout=limits.for_httpx()
    )


@cache
def _version() -> str:
    try:
        return version("forefront")
    except PackageNotFoundError:  # run from a copy of the sources
        return "0"
