"""The clients: settings, a transport, and the resources on top."""

import copy
from collections.abc import Mapping
from dataclasses import replace
from types import TracebackType
from typing import TYPE_CHECKING, Any, Self, TypedDict, Unpack

from forefront.client.exceptions import InvalidArgumentError
from forefront.client.resources.async_chat import AsyncChat
from forefront.client.resources.async_conversations import AsyncConversations
from forefront.client.resources.chat import Chat
from forefront.client.resources.completions import AsyncTextCompletions, TextCompletions
from forefront.client.resources.conversations import Conversations
from forefront.client.resources.embeddings import AsyncEmbeddings, AsyncRerank, Embeddings, Rerank
from forefront.client.resources.models import AsyncModels, Models
from forefront.client.resources.responses import AsyncResponses, Responses
from forefront.client.resources.tokens import AsyncTokens, Tokens
from forefront.client.settings import (
    DEFAULT_TIMEOUT,
    ClientSettings,
    TimeoutLike,
    check_headers,
    resolve_settings,
    resolve_timeout,
)

if TYPE_CHECKING:
    import httpx

    from forefront.client.transport.transport import AsyncTransport, Transport


class ClientOptions(TypedDict, total=False):
    """The options of `with_options`. `headers` are added to those of the client."""

    default_model: str | None
    timeout: TimeoutLike
    max_retries: int
    headers: Mapping[str, str]


class ForefrontClient:
    """A client of a Forefront server, or of any server with the same API. Threads may share it.

    Args:
        api_key: The API key; `FOREFRONT_API_KEY` by default.
        default_model: The model of requests that name none.
        base_url: The server, with or without `/v1`; `FOREFRONT_BASE_URL`, else `http://127.0.0.1:8000`, by default.
        timeout: The read timeout in seconds, None for no limit, or a `Timeout`.
        max_retries: Retries after failures that may pass. All attempts have one idempotency key, so that the server
            runs the request once.
        headers: Sent with every request.
        http_client: An `httpx.Client` with its own proxies and certificates. The caller closes it.

    Raises `ForefrontError` for a missing or unusable key or URL, and for proxies and certificates of the environment
    that cannot be used; `InvalidArgumentError` for any other argument.
    """

    chat: Chat
    completions: TextCompletions
    embeddings: Embeddings
    rerank: Rerank
    tokens: Tokens
    models: Models
    responses: Responses
    conversations: Conversations

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
        settings = resolve_settings(api_key, default_model, base_url, timeout, max_retries, headers)
        # Imported here, so that `import forefront` does not load httpx.
        from forefront.client.transport.http_client import HTTPClient
        from forefront.client.transport.transport import Transport

        self._bind(settings, Transport(settings, HTTPClient(http_client)))

    def _bind(self, settings: ClientSettings, transport: "Transport") -> None:
        self._settings = settings
        self._transport = transport
        self.chat = Chat(settings, transport)
        self.completions = TextCompletions(settings, transport)
        self.embeddings = Embeddings(settings, transport)
        self.rerank = Rerank(settings, transport)
        self.tokens = Tokens(settings, transport)
        self.models = Models(settings, transport)
        self.responses = Responses(settings, transport)
        self.conversations = Conversations(settings, transport)

    def __repr__(self) -> str:
        return f"ForefrontClient(base_url={self._settings.base_url!r}, default_model={self._settings.default_model!r})"

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def with_options(self, **options: Unpack[ClientOptions]) -> Self:
        """A client with other settings on the same connections: closing one closes both."""
        settings = _merge_options(self._settings, options)
        other = copy.copy(self)
        other._bind(settings, self._transport.with_settings(settings))
        return other

    def close(self) -> None:
        """Close the connections."""
        self._transport.close()


class AsyncForefrontClient:
    """`ForefrontClient`, for asyncio. Works under any number of event loops, one after another or in threads."""

    chat: AsyncChat
    completions: AsyncTextCompletions
    embeddings: AsyncEmbeddings
    rerank: AsyncRerank
    tokens: AsyncTokens
    models: AsyncModels
    responses: AsyncResponses
    conversations: AsyncConversations

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
        settings = resolve_settings(api_key, default_model, base_url, timeout, max_retries, headers)
        from forefront.client.transport.http_client import AsyncHTTPClient
        from forefront.client.transport.transport import AsyncTransport

        self._bind(settings, AsyncTransport(settings, AsyncHTTPClient(http_client)))

    def _bind(self, settings: ClientSettings, transport: "AsyncTransport") -> None:
        self._settings = settings
        self._transport = transport
        self.chat = AsyncChat(settings, transport)
        self.completions = AsyncTextCompletions(settings, transport)
        self.embeddings = AsyncEmbeddings(settings, transport)
        self.rerank = AsyncRerank(settings, transport)
        self.tokens = AsyncTokens(settings, transport)
        self.models = AsyncModels(settings, transport)
        self.responses = AsyncResponses(settings, transport)
        self.conversations = AsyncConversations(settings, transport)

    def __repr__(self) -> str:
        settings = self._settings
        return f"AsyncForefrontClient(base_url={settings.base_url!r}, default_model={settings.default_model!r})"

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.aclose()

    def with_options(self, **options: Unpack[ClientOptions]) -> Self:
        """`ForefrontClient.with_options`."""
        settings = _merge_options(self._settings, options)
        other = copy.copy(self)
        other._bind(settings, self._transport.with_settings(settings))
        return other

    async def aclose(self) -> None:
        """Close the connections."""
        await self._transport.close()

    close = aclose


def _merge_options(settings: ClientSettings, options: Mapping[str, Any]) -> ClientSettings:
    changes = dict(options)
    if unknown := changes.keys() - ClientOptions.__optional_keys__:
        raise InvalidArgumentError(f"with_options() has no option `{min(unknown)}`")
    if "timeout" in changes:
        changes["timeout"] = resolve_timeout(changes["timeout"])
    if "headers" in changes:
        changes["headers"] = {**settings.headers, **check_headers("headers", changes["headers"])}
    return replace(settings, **changes)
