"""From what httpx raises to the SDK's own exceptions, with what to do about it."""

import socket
import ssl
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Final

import httpx

from forefront.client.exceptions import APIConnectionError, APITimeoutError
from forefront.client.settings import Timeout

# Timers go off a little early.
_GRAIN: Final = 0.005


@dataclass(frozen=True, slots=True)
class Limits:
    """What one try is allowed: the call's time limits, and by the monotonic clock when the whole call must be over."""

    base_url: str
    timeout: Timeout
    end: float | None

    def left(self) -> float | None:
        """Seconds until the call must be over; None for no limit."""
        return None if self.end is None else max(self.end - time.monotonic(), 0.001)

    def over(self) -> bool:
        """Whether the call's time is over."""
        return self.end is not None and time.monotonic() >= self.end - _GRAIN

    def for_httpx(self) -> httpx.Timeout:
        """The limits of each step of the try."""
        left = self.left()
        read, connect = _least(self.timeout.read, left), _least(self.timeout.connect, left)
        return httpx.Timeout(read, connect=connect)

    def exceeded(self) -> APITimeoutError:
        """The exception for a call that took too long."""
        text = f"The answer of {self.base_url} took longer than the time allowed, {self.timeout.total:g} s."
        return APITimeoutError(text, total=True)


@contextmanager
def translated(limits: Limits, request_id: str | None = None) -> Iterator[None]:
    """Raise what httpx raises as the SDK's own exceptions."""
    url = limits.base_url
    try:
        yield
    except (httpx.RequestError, httpx.StreamError, TimeoutError) as error:
        if limits.over() or (limits.end is not None and isinstance(error, TimeoutError)):
            raise limits.exceeded() from error
        if isinstance(error, httpx.ConnectTimeout):
            text = f"Cannot connect to {url} within {limits.timeout.connect:g} s."
            raise APITimeoutError(text) from error
        if isinstance(error, httpx.TimeoutException):
            text = f"Nothing came from {url} for {limits.timeout.read:g} s."
            raise APITimeoutError(text, request_id=request_id) from error
        if isinstance(error, httpx.ConnectError):
            raise APIConnectionError(f"Cannot connect to {url}: {_reason(error)}. {_advice(error)}") from error
        text = f"The connection to {url} broke: {_reason(error)}."
        raise APIConnectionError(text, request_id=request_id) from error
    except httpx.InvalidURL as error:
        raise APIConnectionError(f"Cannot connect to {url}: {_reason(error)}. Check the base URL.") from error


def _least(*values: float | None) -> float | None:
    return min((value for value in values if value is not None), default=None)


def _reason(error: Exception) -> str:
    return str(error).rstrip(".") or type(error).__name__


def _advice(error: BaseException) -> str:
    cause: BaseException | None = error
    while cause is not None:
        if isinstance(cause, socket.gaierror):
            return "Check the host name in the base URL."
        if isinstance(cause, ssl.SSLError):
            return "Check that the base URL's https:// is right, and that its certificate is trusted here."
        cause = cause.__cause__ or cause.__context__
    return "If no server is running, start one with `forefront serve`."
