"""Translation of httpx errors into the SDK's exceptions, with a hint for the user."""

import socket
import ssl
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Final
from urllib.parse import urlsplit
from urllib.request import getproxies, proxy_bypass

import httpx

from forefront.client.exceptions import APIConnectionError, APIError, APITimeoutError, ForefrontError
from forefront.client.settings import Timeout

# Timers may fire slightly early.
_TIMER_PRECISION: Final = 0.005


@dataclass(frozen=True, slots=True)
class AttemptLimits:
    """The time limits of one attempt. `end` is when the whole call must be over, by the monotonic clock."""

    base_url: str
    timeout: Timeout
    end: float | None

    def seconds_left(self) -> float | None:
        """Seconds until the call must be over; None for no limit."""
        return None if self.end is None else max(self.end - time.monotonic(), 0.001)

    def is_over(self) -> bool:
        """Whether the call's time is over."""
        return self.end is not None and time.monotonic() >= self.end - _TIMER_PRECISION

    def for_httpx(self) -> httpx.Timeout:
        """The limits of each step of the attempt."""
        left = self.seconds_left()
        read, connect = _min(self.timeout.read, left), _min(self.timeout.connect, left)
        return httpx.Timeout(read, connect=connect)

    def total_exceeded(self) -> APITimeoutError:
        """The exception for a call that has taken too long."""
        text = f"The response from {self.base_url} took longer than the total timeout of {self.timeout.total:g} s."
        return APITimeoutError(text, total=True)


@contextmanager
def translate_errors(limits: AttemptLimits, request_id: str | None = None) -> Iterator[None]:
    """Raise every error of the HTTP library as an exception of the SDK."""
    try:
        yield
    except ForefrontError:
        raise
    except Exception as error:
        raise _translate(error, limits, request_id) from error


def _translate(error: Exception, limits: AttemptLimits, request_id: str | None) -> APIError:
    url = limits.base_url
    if limits.end is not None and (limits.is_over() or isinstance(error, TimeoutError)):
        return limits.total_exceeded()
    if isinstance(error, httpx.ConnectTimeout):
        return APITimeoutError(f"Cannot connect to {url} within {_seconds(limits.timeout.connect)}.")
    if isinstance(error, httpx.TimeoutException | TimeoutError):
        text = f"No data from {url} for {_seconds(limits.timeout.read)}."
        return APITimeoutError(text, request_id=request_id)
    if isinstance(error, httpx.ConnectError):
        return APIConnectionError(f"Cannot connect to {url}: {_reason(error)}. {_hint(error, url)}")
    if isinstance(error, httpx.InvalidURL | UnicodeError | httpx.UnsupportedProtocol):
        return APIError(f"Cannot connect to {url}: {_reason(error)}. Check the base URL.")
    if isinstance(error, httpx.RequestError | httpx.StreamError | OSError):
        return APIConnectionError(f"The connection to {url} broke: {_reason(error)}.", request_id=request_id)
    # For example a client used on another event loop: the same call would fail again.
    return APIError(f"The request to {url} failed: {type(error).__name__}: {_reason(error)}.", request_id=request_id)


def _min(*values: float | None) -> float | None:
    return min((value for value in values if value is not None), default=None)


def _seconds(value: float | None) -> str:
    return "the time limit" if value is None else f"{value:g} s"


def _reason(error: Exception) -> str:
    return str(error).rstrip(".") or type(error).__name__


def _hint(error: BaseException, url: str) -> str:
    if (host := _proxied_host(url)) is not None:
        return f"The environment sets a proxy for this URL; NO_PROXY={host} reaches the server without it."
    cause: BaseException | None = error
    while cause is not None:
        if isinstance(cause, socket.gaierror):
            return "Check the host name in the base URL."
        if isinstance(cause, ssl.SSLError):
            return "Check that the server serves https://, and that its certificate is trusted here."
        cause = cause.__cause__ or cause.__context__
    return "If no server is running, start one with `forefront serve`."


def _proxied_host(url: str) -> str | None:
    """The host of a URL that the environment has a proxy for."""
    parts, proxies = urlsplit(url), getproxies()
    if not parts.hostname or proxy_bypass(parts.hostname) or not (proxies.get(parts.scheme) or proxies.get("all")):
        return None
    return parts.hostname
