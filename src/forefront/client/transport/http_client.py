"""The httpx clients of a transport: one for each process, and with asyncio for each event loop."""

import asyncio
import os
import ssl
import threading
from typing import Final

import httpx

from forefront.client.exceptions import ForefrontError, InvalidArgumentError

_LIMITS: Final = httpx.Limits(max_connections=1000, max_keepalive_connections=100)
_VARIABLES: Final = (
    *("HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY", "NO_PROXY"),
    *("SSL_CERT_FILE", "SSL_CERT_DIR", "SSLKEYLOGFILE"),
)


class HTTPClient:
    """Keeps a client, which threads share. After a fork, the child gets its own: two processes cannot share sockets."""

    def __init__(self, given: httpx.Client | None) -> None:
        if not (given is None or isinstance(given, httpx.Client)):
            raise InvalidArgumentError(f"`http_client` must be an httpx.Client, not {type(given).__name__}")
        self._owned = given is None
        self._client = _make_client() if given is None else given
        self._process = os.getpid()
        self._closed = False

    def get(self) -> httpx.Client:
        """The client of this process. Raises `ForefrontError` once it is closed."""
        if self._owned and self._process != os.getpid():
            self._client = _make_client()
            self._process = os.getpid()
        if self._closed or self._client.is_closed:
            raise _closed_error()
        return self._client

    def close(self) -> None:
        """Close the connections, except those of a client given by the caller."""
        self._closed = True
        if self._owned and self._process == os.getpid():
            self._client.close()


class AsyncHTTPClient:
    """Keeps a client for each event loop, because connections cannot move to another loop.

    So one `AsyncForefrontClient` works under several calls of `asyncio.run`, and under loops in several threads.
    """

    def __init__(self, given: httpx.AsyncClient | None) -> None:
        if not (given is None or isinstance(given, httpx.AsyncClient)):
            raise InvalidArgumentError(f"`http_client` must be an httpx.AsyncClient, not {type(given).__name__}")
        self._given = given
        self._ssl: ssl.SSLContext | None = None
        self._spare: httpx.AsyncClient | None = None
        if given is None:
            # Created here, so that an unusable environment is an error of the constructor.
            self._ssl, self._spare = _make_async_client(None)
        self._clients: dict[asyncio.AbstractEventLoop, httpx.AsyncClient] = {}
        self._process = os.getpid()
        self._lock = threading.Lock()
        self._closed = False

    def get(self) -> httpx.AsyncClient:
        """The client of the running loop. Raises `ForefrontError` without a loop, and once it is closed."""
        try:
            loop = asyncio.get_running_loop()
        except RuntimeError:
            raise ForefrontError("AsyncForefrontClient needs a running asyncio event loop.") from None
        if self._closed or (self._given is not None and self._given.is_closed):
            raise _closed_error()
        if self._given is not None:
            return self._given
        if self._process != os.getpid():
            self._forget_parent()
        client = self._clients.get(loop)
        return client if client is not None else self._add(loop)

    async def close(self) -> None:
        """Close the connections, except those of a client given by the caller."""
        self._closed = True
        with self._lock:
            clients, self._clients = self._clients, {}
            spare, self._spare = self._spare, None
        if self._process != os.getpid():
            return
        if spare is not None:
            await spare.aclose()
        for loop, client in clients.items():
            if loop is asyncio.get_running_loop():
                await client.aclose()
            elif loop.is_running():
                asyncio.run_coroutine_threadsafe(client.aclose(), loop)

    def _add(self, loop: asyncio.AbstractEventLoop) -> httpx.AsyncClient:
        with self._lock:
            # A client cannot be closed without its loop; its sockets are closed with their last reference.
            self._clients = {known: client for known, client in self._clients.items() if not known.is_closed()}
            made, self._spare = self._spare, None
            if made is None:
                self._ssl, made = _make_async_client(self._ssl)
            return self._clients.setdefault(loop, made)

    def _forget_parent(self) -> None:
        self._process = os.getpid()
        self._lock = threading.Lock()  # another thread may have held it during the fork
        self._clients = {}
        self._spare = None


def _closed_error() -> ForefrontError:
    return ForefrontError("The client is closed. Make another one, or close it later.")


def _make_client() -> httpx.Client:
    try:
        return httpx.Client(limits=_LIMITS)
    except Exception as error:
        raise _setup_error(error) from error


def _make_async_client(context: ssl.SSLContext | None) -> tuple[ssl.SSLContext, httpx.AsyncClient]:
    try:
        context = context or httpx.create_ssl_context()
        return context, httpx.AsyncClient(limits=_LIMITS, verify=context)
    except Exception as error:
        raise _setup_error(error) from error


def _setup_error(error: Exception) -> ForefrontError:
    """The error for an httpx exception: only the environment can cause one, because httpx gets no other settings."""
    names = [name for name in _VARIABLES if os.environ.get(name) or os.environ.get(name.lower())]
    # The text may quote a proxy's password.
    reason = "" if "@" in str(error) else f": {str(error).rstrip('.') or type(error).__name__}"
    check = f" Check the environment: {', '.join(names)}." if names else ""
    return ForefrontError(
        f"The HTTP client cannot be set up{reason}.{check} Alternatively pass your own `http_client`."
    )
