"""What a client is made with: where the server is, the key, and the defaults of its requests."""

import math
import os
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Final, TypeAlias
from urllib.parse import urlsplit

from forefront.client.exceptions import ForefrontError

DEFAULT_BASE_URL: Final = "http://127.0.0.1:8000"
_CONNECT: Final = 5.0


@dataclass(frozen=True, slots=True)
class Timeout:
    """Limits in seconds, None for no limit.

    `connect` is for making a connection, `read` the longest silence of the server, `total` the whole call, with its
    retries and, when it streams, its stream. Raises `ValueError` for what is no duration.
    """

    read: float | None = 600.0
    connect: float | None = _CONNECT
    total: float | None = None

    def __post_init__(self) -> None:
        for value in (self.read, self.connect, self.total):
            if value is not None and not (math.isfinite(value) and value > 0):
                raise ValueError(f"a timeout must be a positive number of seconds, or None for no limit, not {value}")


TimeoutLike: TypeAlias = Timeout | float | None
"""A number is the longest silence of the server, as in `Timeout(read=…)`."""

DEFAULT_TIMEOUT: Final = Timeout()


def settle_timeout(given: TimeoutLike) -> Timeout:
    """Raises `ValueError` for what is no duration."""
    if isinstance(given, Timeout):
        return given
    # Who wants an answer within a second does not want to wait five for a connection.
    return Timeout(read=given, connect=_CONNECT if given is None else min(_CONNECT, given))


@dataclass(frozen=True, slots=True)
class Settings:
    """Settled and checked. `base_url` ends before `/v1`; `headers` go with every request."""

    base_url: str
    default_model: str | None
    api_key: str = field(repr=False)
    timeout: Timeout = DEFAULT_TIMEOUT
    max_retries: int = 2
    headers: Mapping[str, str] = field(default_factory=dict, repr=False)

    def __post_init__(self) -> None:
        if isinstance(self.max_retries, bool) or not isinstance(self.max_retries, int) or self.max_retries < 0:
            raise ValueError(f"`max_retries` must be a whole number, 0 or more, not {self.max_retries!r}")


def settle(
    api_key: str | None,
    default_model: str | None,
    base_url: str | None,
    timeout: TimeoutLike = DEFAULT_TIMEOUT,
    max_retries: int = 2,
    headers: Mapping[str, str] | None = None,
) -> Settings:
    """Fill in what was left out, from the environment and the defaults.

    Raises `ForefrontError` for a missing or unusable key or base URL, and `ValueError` for an unusable number.
    """
    key = (api_key or os.environ.get("FOREFRONT_API_KEY", "")).strip()
    url = (base_url or os.environ.get("FOREFRONT_BASE_URL") or DEFAULT_BASE_URL).strip()
    return Settings(
        base_url=_base_url(url),
        default_model=default_model,
        api_key=_api_key(key),
        timeout=settle_timeout(timeout),
        max_retries=max_retries,
        headers=dict(headers or {}),
    )


def _api_key(key: str) -> str:
    if not key:
        raise ForefrontError("There is no API key: pass `api_key=` or set the environment variable FOREFRONT_API_KEY.")
    # Refused here because the HTTP library's complaint about the header would quote the key.
    if not re.fullmatch(r"[!-~]+", key):
        raise ForefrontError("The API key holds white space or characters beyond ASCII; it is not shown here.")
    return key


def _base_url(url: str) -> str:
    try:
        parts = urlsplit(url)
        port = parts.port
    except ValueError:
        parts, port = urlsplit(""), None
    if parts.scheme not in ("http", "https") or not parts.hostname or port == 0:
        # A URL with a password in it would be shown here.
        shown = "It" if "@" in url else f"`{url}`"
        raise ForefrontError(f"The base URL must look like `{DEFAULT_BASE_URL}`. {shown} does not.")
    if "@" in parts.netloc or parts.query or parts.fragment:
        raise ForefrontError("The base URL must have no user name, password, query or fragment.")
    return url.rstrip("/").removesuffix("/v1").rstrip("/")
