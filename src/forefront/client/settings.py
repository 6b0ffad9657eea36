"""What a client is made with: where the server is, the key, and the defaults of its requests."""

import os
import re
from dataclasses import dataclass, field
from typing import Final
from urllib.parse import urlsplit

from forefront.client.exceptions import ForefrontError

DEFAULT_BASE_URL: Final = "http://127.0.0.1:8000"
DEFAULT_TIMEOUT: Final = 600.0


@dataclass(frozen=True, slots=True)
class Settings:
    """Settled and checked. `base_url` ends before `/v1`; `timeout` is in seconds, None for no limit."""

    base_url: str
    default_model: str | None
    timeout: float | None
    api_key: str = field(repr=False)


def settle(api_key: str | None, default_model: str | None, base_url: str | None, timeout: float | None) -> Settings:
    """Fill in what was left out, from the environment and the defaults.

    Raises `ForefrontError` for a missing or unusable key or base URL.
    """
    key = (api_key or os.environ.get("FOREFRONT_API_KEY", "")).strip()
    url = (base_url or os.environ.get("FOREFRONT_BASE_URL") or DEFAULT_BASE_URL).strip()
    return Settings(base_url=_base_url(url), default_model=default_model, timeout=timeout, api_key=_api_key(key))


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
