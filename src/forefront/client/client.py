"""The clients: settings, a transport, and the resources that use them."""

import copy
from collections.abc import Mapping
from dataclasses import replace
from types import TracebackType
from typing import TYPE_CHECKING, Any, Self, TypedDict, Unpack

from forefront.client.resources.async_chat import AsyncChat
from forefront.client.resources.chat import Chat
from forefront.client.resources.completions import AsyncTextCompletions, TextCompletions
from forefront.client.resources.models import AsyncModels, Models
from forefront.client.settings import DEFAULT_TIMEOUT, Settings, TimeoutLike, settle, settle_timeout

if TYPE_CHECKING:
    import httpx

    from forefront.client.transport.transport import AsyncTransport, Transport


class Options(TypedDict, total=False):
    """What `with_options` can change. `headers` come on top of those that the client has."""

    default_model: str | None
    timeout: TimeoutLike
    max_retries: int
    headers: Mapping[str, str]


class ForefrontClient:
    """Talks to a Forefront server, or to any other that has the same API. May be shared by threads.

    `api_key` and `base_url` default to the environment's `FOREFRONT_API_KEY` and `FOREFRONT_BASE_URL`, and the latter
    to `http://127.0.0.1:8000`; with or without `/v1` at its end, it is the same. `default_model` is for requests that
    name none. `timeout` is the longest silence of the server in seconds, None for no limit; a `Timeout` says more.
    Failures that may pass are tried again `max_retries` times, with one idempotency key, so that the server does not
    do the work twice. `headers` go with every request. An `http_client` of your own brings its proxies and
    certificates, and stays yours to close.

    Raises `ForefrontError` for a missing or unusable key or URL, `ValueError` for unusable numbers.
    """

    chat: Chat
    completions: TextCompletions
    models: Models

    def __init__(
        self,
        api_key: str | None = None,
        default_model: str | None = None,
        base_url: str | None = None,
        *,
        timeout: TimeoutLike = DEFAULT_TIMEOUT,
        max_retries: int = 2,
        headers: Mapping[str, str] | None = None,
        http_client: "httpx.Client | None" = None,
    ) -> None:
        settings = settle(api_key, default_model, base_url, timeout, max_retries, headers)
        from forefront.client.transport.transport import (
            Transport,  # here, so that importing `forefront` does not load httpx
        )

        self._equip(settings, Transport(settings, http_client))

    def _equip(self, settings: Settings, transport: "Transport") -> None:
        self._settings = settings
        self._transport = transport
        self.chat = Chat(settings, transport)
        self.completions = TextCompletions(settings, transport)
        self.models = Models(settings, transport)

    def __repr__(self) -> str:
        return f"ForefrontClient(base_url={self._settings.base_url!r}, default_model={self._settings.default_model!r})"

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def with_options(self, **options: Unpack[Options]) -> Self:
        """The same client with other settings, on the same connections: closing one closes both."""
        settings = _changed(self._settings, options)
        other = copy.copy(self)
        other._equip(settings, self._transport.with_settings(settings))
        return other

    def close(self) -> None:
        """Close the connections."""
        self._transport.close()


class AsyncForefrontClient:
    """`ForefrontClient`, for asyncio."""

    chat: AsyncChat
    completions: AsyncTextCompletions
    models: AsyncModels

    def __init__(
        self,
        api_key: str | None = None,
        default_model: str | None = None,
        base_url: str | None = None,
        *,
        timeout: TimeoutLike = DEFAULT_TIMEOUT,
        max_retries: int = 2,
        headers: Mapping[str, str] | None = None,
        http_client: "httpx.AsyncClient | None" = None,
    ) -> None:
        settings = settle(api_key, default_model, base_url, timeout, max_retries, headers)
        from forefront.client.transport.transport import AsyncTransport

        self._equip(settings, AsyncTransport(settings, http_client))

    def _equip(self, settings: Settings, transport: "AsyncTransport") -> None:
        self._settings = settings
        self._transport = transport
        self.chat = AsyncChat(settings, transport)
        self.completions = AsyncTextCompletions(settings, transport)
        self.models = AsyncModels(settings, transport)

    def __repr__(self) -> str:
        settings = self._settings
        return f"AsyncForefrontClient(base_url={settings.base_url!r}, default_model={settings.default_model!r})"

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.aclose()

    def with_options(self, **options: Unpack[Options]) -> Self:
        """`ForefrontClient.with_options`."""
        settings = _changed(self._settings, options)
        other = copy.copy(self)
        other._equip(settings, self._transport.with_settings(settings))
        return other

    async def aclose(self) -> None:
        """Close the connections."""
        await self._transport.close()

    close = aclose


def _changed(settings: Settings, options: Mapping[str, Any]) -> Settings:
    changes = dict(options)
    if "timeout" in changes:
        changes["timeout"] = settle_timeout(changes["timeout"])
    if "headers" in changes:
        changes["headers"] = {**settings.headers, **changes["headers"]}
    if unknown := changes.keys() - Options.__optional_keys__:
        raise TypeError(f"with_options() has no option `{min(unknown)}`")
    return replace(settings, **changes)
