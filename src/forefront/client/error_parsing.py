"""From an error of the server to the exception that stands for it."""

import re
import time
from collections.abc import Mapping
from typing import Any, Final

from forefront.client.exceptions import APIError, APIStatusError, exception_for
from forefront.client.transport.response import Reply
from forefront.wire.errors import ERRORS

_MAX_SHOWN: Final = 300
_STATUS_BY_TYPE: Final = {type_: status for status, type_ in reversed(ERRORS.values())}


def status_failure(reply: Reply) -> APIStatusError:
    """The exception for a response that is not a success."""
    body = reply.json()
    detail = _detail(body)
    return exception_for(reply.status)(
        _text(detail.get("message") or detail.get("detail")) or _say(reply),
        status_code=reply.status,
        body=reply.body.decode("utf-8", "replace") if body is None else body,
        code=_text(detail.get("code")),
        param=_text(detail.get("param")),
        request_id=reply.request_id,
        retry_after=read_retry_after(reply.headers),
        headers=reply.headers,
    )


def unreadable(reply: Reply, wanted: str) -> APIError:
    """The exception for a success that is not what was asked for."""
    body = reply.json()
    if isinstance(body, dict) and body.get("error"):
        return stream_failure(body["error"], reply.request_id)
    kind = reply.media_type or "something else"
    return APIError(f"{reply.base_url} answered with {kind}, not with {wanted}.", request_id=reply.request_id)


def stream_failure(error: object, request_id: str | None) -> APIError:
    """The exception for an `error` that came with a success status, in a stream most of all."""
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
    """Seconds to wait, from `retry-after-ms` or `retry-after` (seconds or a date); None when neither says."""
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
    """The object that says what went wrong, from the shapes that servers in use send."""
    if not isinstance(body, dict):
        return {}
    error = body.get("error", body)
    return error if isinstance(error, dict) else {"message": error}


def _status(detail: dict[str, Any]) -> int | None:
    code = detail.get("code")
    if isinstance(code, int) and 400 <= code < 600:  # how some servers send the status
        return code
    if isinstance(code, str) and code in ERRORS:
        return ERRORS[code][0]
    return _STATUS_BY_TYPE.get(str(detail.get("type")))


def _say(reply: Reply) -> str:
    """A sentence for a body that is not the API's: never a page of it."""
    what = f"{reply.base_url} answered {reply.status}"
    if 300 <= reply.status < 400:
        return f"{what}, a redirect, which is not followed because it would be given the key. Check the base URL."
    if reply.media_type == "text/html":
        return f"{what} with an HTML page: a proxy or another server seems to stand there. Check the base URL."
    text = " ".join(reply.body[: 4 * _MAX_SHOWN].decode("utf-8", "replace").split())
    if reply.media_type == "text/plain" and text:
        return f"{what}: {text[:_MAX_SHOWN]}"
    return f"{what} and did not say why."


def _text(value: object) -> str | None:
    return None if value is None or isinstance(value, dict | list) else str(value)
