"""Client settings: the server's URL, the API key, and the defaults of all requests."""

import math
import os
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Final, TypeAlias
from urllib.parse import urlsplit

from forefront.client.exceptions import ForefrontError, InvalidArgumentError

DEFAULT_BASE_URL: Final = "http://127.0.0.1:8000"
MAX_TIMEOUT: Final = 1e8
"""In seconds, about three years: longer ones overflow the timers of the operating system."""

_CONNECT: Final = 5.0
_HEADER_NAME: Final = re.compile(r"[!#$%&'*+.^_`|~0-9A-Za-z-]+")
_HEADER_VALUE: Final = re.compile(r"[\t -~]*")


def show(value: object) -> str:
    """A short text for an argument in an error."""
    try:
        return ascii(value)[:60]
    except Exception:  # a `__repr__` of the caller's, or an integer of too many digits
        return f"an object of type {type(value).__name__}"


def _check_seconds(value: object) -> None:
    number = isinstance(value, int | float) and not isinstance(value, bool)
    if not (number and 0 < value <= MAX_TIMEOUT and not math.isnan(value)):  # type: ignore[operator, arg-type]
        raise InvalidArgumentError(
            f"a timeout must be a positive number of seconds up to {MAX_TIMEOUT:g}, or None for no limit, "
            f"not {show(value)}"
        )


@dataclass(frozen=True, slots=True)
class Timeout:
    """Time limits in seconds; None for no limit.

    `connect` is for opening a connection, `read` for the time between two pieces of the response, `total` for the
    whole call with its retries and, if it streams, its stream. Raises `InvalidArgumentError` (a `ValueError`).
    """

    read: float | None = 600.0
    connect: float | None = _CONNECT
    total: float | None = None

    def __post_init__(self) -> None:
        for value in (self.read, self.connect, self.total):
            if value is not None:
                _check_seconds(value)


TimeoutLike: TypeAlias = Timeout | float | None
"""A number of seconds is the read timeout, as in `Timeout(read=…)`."""

DEFAULT_TIMEOUT: Final = Timeout()


def resolve_timeout(given: TimeoutLike) -> Timeout:
    """Raises `InvalidArgumentError` for anything but a positive number, a `Timeout` or None."""
    if isinstance(given, Timeout):
        return given
    if given is None:
        return Timeout(read=None)
    _check_seconds(given)
    # A read timeout of a second implies that connecting should not take five.
    return Timeout(read=given, connect=min(_CONNECT, given))


@dataclass(frozen=True, slots=True)
class ClientSettings:
    """Resolved and checked. `base_url` has no `/v1`; `headers` go with every request."""

    base_url: str
    default_model: str | None
    api_key: str = field(repr=False)
    timeout: Timeout = DEFAULT_TIMEOUT
    max_retries: int = 2
    headers: Mapping[str, str] = field(default_factory=dict, repr=False)

    def __post_init__(self) -> None:
        if isinstance(self.max_retries, bool) or not isinstance(self.max_retries, int) or self.max_retries < 0:
            raise InvalidArgumentError(f"`max_retries` must be a whole number, 0 or more, not {show(self.max_retries)}")
        if not (self.default_model is None or isinstance(self.default_model, str)):
            raise InvalidArgumentError(f"`default_model` must be a string, not {type(self.default_model).__name__}")


def resolve_settings(
    api_key: str | None,
    default_model: str | None,
    base_url: str | None,
    timeout: TimeoutLike = DEFAULT_TIMEOUT,
    max_retries: int = 2,
    headers: Mapping[str, str] | None = None,
) -> ClientSettings:
    """Fill in missing values from the environment and the defaults.

    Raises `ForefrontError` for a missing or unusable key or base URL, `InvalidArgumentError` for an unusable number
    or header.
    """
    key = _string("api_key", api_key) or os.environ.get("FOREFRONT_API_KEY", "")
    url = _string("base_url", base_url) or os.environ.get("FOREFRONT_BASE_URL") or DEFAULT_BASE_URL
    return ClientSettings(
        base_url=_base_url(url.strip()),
        default_model=default_model,
        api_key=_api_key(key.strip()),
        timeout=resolve_timeout(timeout),
        max_retries=max_retries,
        headers=check_headers("headers", headers),
    )


def check_headers(argument: str, headers: Any) -> dict[str, str]:
    """The headers as a dict. Raises `InvalidArgumentError` for names and values that HTTP does not allow.

    Values are not quoted in the error, because they may be secret.
    """
    if headers is None:
        return {}
    if not isinstance(headers, Mapping):
        raise InvalidArgumentError(f"`{argument}` must be a mapping, not {type(headers).__name__}")
    for name, value in headers.items():
        if not (isinstance(name, str) and _HEADER_NAME.fullmatch(name)):
            raise InvalidArgumentError(f"`{argument}` has an invalid header name: {show(name)}")
        check_header_value(f"{argument}[{name!r}]", value)
    return dict(headers)


def check_header_value(argument: str, value: object) -> None:
    """Raises `InvalidArgumentError` unless `value` is a string of printable ASCII characters."""
    if not isinstance(value, str):
        raise InvalidArgumentError(f"`{argument}` must be a string, not {type(value).__name__}")
    if not _HEADER_VALUE.fullmatch(value):
        raise InvalidArgumentError(f"`{argument}` must have printable ASCII characters only, no line breaks")


def _string(argument: str, value: object) -> str | None:
    if value is None or isinstance(value, str):
        return value
    raise InvalidArgumentError(f"`{argument}` must be a string, not {type(value).__name__}")


def _api_key(key: str) -> str:
    if not key:
        raise ForefrontError("There is no API key: pass `api_key=` or set the environment variable FOREFRONT_API_KEY.")
    # Checked here because the HTTP library's error would quote the key.
    if not re.fullmatch(r"[!-~]+", key):
        raise ForefrontError("The API key has whitespace or characters beyond ASCII; it is not shown here.")
    return key


def _base_url(url: str) -> str:
    try:
        if re.search(r"[\x00-\x20\x7f\\\ud800-\udfff]", url):
            raise ValueError
        parts = urlsplit(url)
        host, port = parts.hostname, parts.port
        (host or "").encode("idna")  # an empty or overlong label fails in the resolver otherwise
    except ValueError:
        parts, host, port = urlsplit(""), None, None
    if parts.scheme not in ("http", "https") or not host or port == 0:
        # The URL may hold a password.
        shown = "It" if "@" in url else f"`{url.encode('utf-8', 'backslashreplace').decode()}`"
        raise ForefrontError(f"The base URL must look like `{DEFAULT_BASE_URL}`. {shown} does not.")
    if "@" in parts.netloc or "?" in url or "#" in url:
        raise ForefrontError("The base URL must have no user name, password, query or fragment.")
    return url.rstrip("/").removesuffix("/v1").rstrip("/")
