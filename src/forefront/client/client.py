"""The clients: settings, a transport, and the resources that use them."""

from types import TracebackType
from typing import TYPE_CHECKING, Self

from forefront.client.chat import AsyncChat, Chat
from forefront.client.models import AsyncModels, Models
from forefront.client.settings import DEFAULT_TIMEOUT, settle

if TYPE_CHECKING:
    import httpx


class ForefrontClient:
    """Talks to a Forefront server, or to any other that has the same API. May be shared by threads.

    `api_key` and `base_url` default to the environment's `FOREFRONT_API_KEY` and `FOREFRONT_BASE_URL`, and the latter
    to `http://127.0.0.1:8000`; with or without `/v1` at its end, it is the same. `default_model` is for requests that
    name none. `timeout` is the longest silence of the server in seconds, None for no limit; connecting may take 5 s at
    most. An `http_client` of your own brings its proxies and certificates, and stays yours to close.

    Raises `ForefrontError` for a missing or unusable key or URL.
    """

    def __init__(
        self,
        api_key: str | None = None,
        default_model: str | None = None,
        base_url: str | None = None,
        *,
        timeout: float | None = DEFAULT_TIMEOUT,
        http_client: "httpx.Client | None" = None,
    ) -> None:
        self._settings = settle(api_key, default_model, base_url, timeout)
        from forefront.client.transport import Transport  # here, so that importing `forefront` does not load httpx

        self._transport = Transport(self._settings, http_client)
        self.chat = Chat(self._settings, self._transport)
        self.models = Models(self._settings, self._transport)

    def __repr__(self) -> str:
        return f"ForefrontClient(base_url={self._settings.base_url!r}, default_model={self._settings.default_model!r})"

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def close(self) -> None:
        """Close the connections."""
        self._transport.close()


class AsyncForefrontClient:
    """`ForefrontClient`, for asyncio."""

    def __init__(
        self,
        api_key: str | None = None,
        default_model: str | None = None,
        base_url: str | None = None,
        *,
        timeout: float | None = DEFAULT_TIMEOUT,
        http_client: "httpx.AsyncClient | None" = None,
    ) -> None:
        self._settings = settle(api_key, default_model, base_url, timeout)
        from forefront.client.transport import AsyncTransport

        self._transport = AsyncTransport(self._settings, http_client)
        self.chat = AsyncChat(self._settings, self._transport)
        self.models = AsyncModels(self._settings, self._transport)

    def __repr__(self) -> str:
        settings = self._settings
        return f"AsyncForefrontClient(base_url={settings.base_url!r}, default_model={settings.default_model!r})"

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.aclose()

    async def aclose(self) -> None:
        """Close the connections."""
        await self._transport.close()
