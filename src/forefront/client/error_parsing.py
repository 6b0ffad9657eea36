"""Errors of the server as exceptions."""

import re
import time
from collections.abc import Mapping
from typing import Any, Final

from forefront.client.exceptions import APIError, APIStatusError, exception_for
from forefront.client.transport.response import HTTPResponse
from forefront.wire.errors import ERRORS

_MAX_SHOWN: Final = 300
_STATUS_BY_TYPE: Final = {type_: status for status, type_ in reversed(ERRORS.values())}


def status_error(response: HTTPResponse) -> APIStatusError:
    """The exception for a response with an error status."""
    body = response.json()
    detail = _detail(body)
    return exception_for(response.status)(
        _text(detail.get("message") or detail.get("detail")) or _describe(response),
        status_code=response.status,
        body=response.body.decode("utf-8", "replace") if body is None else body,
        code=_text(detail.get("code")),
        param=_text(detail.get("param")),
        request_id=response.request_id,
        retry_after=read_retry_after(response.headers),
        headers=response.headers,
    )


def unexpected_response(response: HTTPResponse, wanted: str) -> APIError:
    """The exception for a successful response of an unexpected format."""
    body = response.json()
    if isinstance(body, dict) and body.get("error"):
        return stream_error(body["error"], response.request_id)
    kind = response.media_type or "something else"
    return APIError(f"{response.base_url} answered with {kind}, not with {wanted}.", request_id=response.request_id)


def stream_error(error: object, request_id: str | None) -> APIError:
    """The exception for an `error` object in a successful response, such as a stream."""
    detail = _detail({"error": error})
    message = _text(detail.get("message")) or "The server reported an error without a message."
    code, param = _text(detail.get("code")), _text(detail.get("param"))
    status = _status(detail)
    if status is None:
        return APIError(message, code=code, param=param, request_id=request_id)
    return exception_for(status)(
        message, status_code=status, body={"error": error}, code=code, param=param, request_id=request_id
    )


def read_retry_after(headers: Mapping[str, str]) -> float | None:
    """Seconds to wait, from `retry-after-ms` or `retry-after` (seconds or a date); None without either."""
    milliseconds = _decimal(headers.get("retry-after-ms"))
    if milliseconds is not None:
        return milliseconds / 1000
    value = headers.get("retry-after")
    seconds = _decimal(value)
    return seconds if seconds is not None or value is None else _seconds_until(value)


def _decimal(text: str | None) -> float | None:
    return float(text) if text is not None and re.fullmatch(r"\s*[0-9]{1,12}(\.[0-9]{0,9})?\s*", text) else None


def _seconds_until(date: str) -> float | None:
    from email.utils import parsedate_to_datetime  # rarely needed, and slow to import

    try:
        return max(0.0, parsedate_to_datetime(date).timestamp() - time.time())
    except (ValueError, OverflowError):
        return None


def _detail(body: object) -> dict[str, Any]:
    """The error object, in the shapes that common servers send."""
    if not isinstance(body, dict):
        return {}
    error = body.get("error", body)
    return error if isinstance(error, dict) else {"message": error}


def _status(detail: dict[str, Any]) -> int | None:
    code = detail.get("code")
    if isinstance(code, int) and 400 <= code < 600:  # some servers send the status as the code
        return code
    if isinstance(code, str) and code in ERRORS:
        return ERRORS[code][0]
    return _STATUS_BY_TYPE.get(str(detail.get("type")))


def _describe(response: HTTPResponse) -> str:
    """A sentence for a body of another format, with at most its first words."""
    what = f"{response.base_url} answered {response.status}"
    if 300 <= response.status < 400:
        return f"{what}, a redirect, which is not followed because it would be given the key. Check the base URL."
    if response.media_type == "text/html":
        return f"{what} with an HTML page, probably from a proxy or another server. Check the base URL."
    text = " ".join(response.body[: 4 * _MAX_SHOWN].decode("utf-8", "replace").split())
    if response.media_type == "text/plain" and text:
        return f"{what}: {text[:_MAX_SHOWN]}"
    return f"{what} and did not say why."


def _text(value: object) -> str | None:
    return None if value is None or isinstance(value, dict | list) else str(value)
