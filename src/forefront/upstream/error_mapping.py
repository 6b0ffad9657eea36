"""Maps the failures of an upstream to the client's error.

An upstream's text reaches the client only if it concerns the client's request, without addresses and keys. All other
messages are fixed; details go to the log.
"""

import email.utils
import re
import ssl
import time
from collections.abc import Mapping
from typing import Any, Final
from urllib.parse import urlsplit

import msgspec

from forefront.upstream.errors import AttemptFailure, FailureKind, UpstreamError
from forefront.upstream.replica import UpstreamReplica
from forefront.wire.errors import ERRORS

_SHOWN: Final = 600  # characters of an upstream's text
_MAX_RETRY_AFTER: Final = 3600.0
_OVERFLOW: Final = re.compile(
    r"context.?(length|window|size|limit)|maximum (input|context|model|sequence)|max_model_len|max_seq_len"
    r"|(prompt|input|request|message)\w* (is|are|was) too (long|large)|exceeds? (the )?(available |model'?s? )?context"
    r"|longer than the (maximum|model|context)",
    re.IGNORECASE,
)
# Codes of this project that concern the request, sent by upstreams that are Forefront servers.
_OWN_CODES: Final = frozenset(
    {
        "missing_parameter", "unsupported_parameter", "context_length_exceeded", "invalid_type", "invalid_value",
        "form_failed", "unknown_parameter", "body_too_large",
    }
)  # fmt: skip
_URL: Final = re.compile(r"\b[a-z][a-z0-9+.-]{1,15}://[^\s\"'<>)\]}]+", re.IGNORECASE)
_ADDRESS: Final = re.compile(
    r"\b\d{1,3}(?:\.\d{1,3}){3}(?::\d{1,5})?\b|\[[0-9a-f:]{2,39}\](?::\d{1,5})?|\b(?:[a-z0-9-]+\.)+[a-z0-9-]+:\d{2,5}\b"
    r"|\blocalhost(?::\d{1,5})?\b",
    re.IGNORECASE,
)
_KEY: Final = re.compile(r"\b(?:sk|pk|hf|gsk|xai|key|bearer)[-_ ][A-Za-z0-9_*.-]{6,}", re.IGNORECASE)
_PATH: Final = re.compile(r"(?<![\w.])/(?:[\w.@+-]+/)+[\w.@+-]*")
_PARAM: Final = re.compile(r"[A-Za-z_][\w.\[\]-]{0,127}")


class UpstreamErrorBody(msgspec.Struct):
    """The facts of an upstream's error, in any of the forms in which servers send one."""

    message: str = ""
    code: str = ""
    status: int | None = None
    param: str | None = None
    type: str = ""


def read_error(data: Any) -> UpstreamErrorBody:
    """Read a decoded body: `{"error": {…}}`, `{"error": "…"}`, `{"message": …}`, `{"detail": …}`, or a text."""
    if isinstance(data, dict) and isinstance(data.get("error"), dict | str):
        data = data["error"]
    if isinstance(data, str):
        return UpstreamErrorBody(message=data)
    if not isinstance(data, dict):
        return UpstreamErrorBody()
    code, message, param = data.get("code"), data.get("message", data.get("detail", "")), data.get("param")
    if isinstance(message, list | dict):  # FastAPI's list of validation errors
        message = _validation_text(message)
    status = code if isinstance(code, int) and not isinstance(code, bool) else data.get("status")
    return UpstreamErrorBody(
        message=message if isinstance(message, str) else "",
        code=code if isinstance(code, str) else "",
        status=status if isinstance(status, int) and 100 <= status <= 599 else None,
        param=param if isinstance(param, str) and _PARAM.fullmatch(param) else None,
        type=data["type"] if isinstance(data.get("type"), str) else "",
    )


def status_error(status: int, headers: Mapping[str, str], body: bytes, replica: UpstreamReplica) -> UpstreamError:
    """The error for a response of another status than 200."""
    try:
        data = msgspec.json.decode(body)
    except (msgspec.DecodeError, RecursionError, UnicodeDecodeError):
        # Text that is not JSON may be the page of a proxy.
        data = None
    return error_of(read_error(data), status, replica, _retry_after(headers))


def error_of(
    body: UpstreamErrorBody, status: int, replica: UpstreamReplica, retry_after: float | None = None
) -> UpstreamError:
    """The error for an error body, of a response or within a stream, whose status is `status`."""
    detail = _detail(replica, f" answers {status}: {body.message[:_SHOWN]!r} ({(body.code or body.type)[:_SHOWN]})")
    if status == 404 and not urlsplit(replica.base_url).path.strip("/"):
        detail += "; the URL of most servers ends with /v1"
    about_request = status in (400, 413, 422) or (status == 500 and body.type == "invalid_request_error")
    if about_request or (status == 404 and body.param is not None and body.param != "model"):
        return _request_error(body, status, replica, detail)
    if status == 429 and "quota" in body.code:  # credits are bought; a retry does not help
        return UpstreamError(AttemptFailure("broken", detail), "upstream_failed", _SETTINGS)
    if status == 429 or (status == 503 and body.code == "overloaded"):
        text = "The model's upstream has no room for this request at the moment; try again."
        return UpstreamError(AttemptFailure("overloaded", detail), "overloaded", text, retry_after=retry_after)
    if status in (408, 502, 503, 504, 529):
        kind: FailureKind = "overloaded" if status in (503, 529) else "unreachable"
        failure = AttemptFailure(kind, detail)
        return UpstreamError(failure, "upstream_unavailable", _UNAVAILABLE, retry_after=retry_after)
    if status in (401, 402, 403, 404) or 300 <= status < 400:
        return UpstreamError(AttemptFailure("broken", detail), "upstream_failed", _SETTINGS)
    return UpstreamError(AttemptFailure("broken", detail), "upstream_failed", _FAILED)


def connection_error(replica: UpstreamReplica, error: Exception, *, began: bool = False) -> UpstreamError:
    """The error for a connection that cannot be made, or that ends in the middle of an answer (`began`)."""
    if isinstance(error, ssl.SSLError):
        detail = _detail(replica, f": TLS failed: {error}")
        text = "The model's upstream has no valid TLS certificate. Its operator has to change the settings."
        return UpstreamError(AttemptFailure("unreachable", detail), "upstream_unavailable", text)
    reason = str(error) or type(error).__name__
    if began:
        detail = _detail(replica, f" broke off its answer: {reason}")
        text = "The model's upstream broke off its answer; try again."
        return UpstreamError(AttemptFailure("broken", detail), "upstream_failed", text)
    detail = _detail(replica, f" cannot be reached: {reason}")
    return UpstreamError(AttemptFailure("unreachable", detail), "upstream_unavailable", _UNAVAILABLE)


def timeout_error(replica: UpstreamReplica, seconds: float) -> UpstreamError:
    """The error for an upstream that sends nothing for too long."""
    detail = _detail(replica, f" has sent nothing for {seconds:g} s")
    text = "The model's upstream did not answer in time; try again."
    return UpstreamError(AttemptFailure("unreachable", detail), "upstream_unavailable", text)


def malformed_error(replica: UpstreamReplica, reason: str) -> UpstreamError:
    """The error for an answer that does not follow the protocol. `reason` goes to the log."""
    detail = _detail(replica, f": {reason}")
    return UpstreamError(AttemptFailure("broken", detail), "upstream_failed", _FAILED)


def scrub(text: str, replica: UpstreamReplica) -> str:
    """An upstream's text for the client: on one line, bounded, without keys, addresses and paths of files."""
    text = _without_key(text, replica)
    for pattern in (_URL, _ADDRESS, _KEY, _PATH):
        text = pattern.sub("…", text)
    text = " ".join(text.split())
    return text if len(text) <= _SHOWN else text[:_SHOWN] + "…"


def _detail(replica: UpstreamReplica, text: str) -> str:
    """A text about a replica for the log. Some servers repeat the key that they refuse."""
    return f"{replica.name} ({replica.base_url}){_without_key(text, replica)}"


def _without_key(text: str, replica: UpstreamReplica) -> str:
    return text.replace(replica.key, "…") if replica.key else text


_UNAVAILABLE: Final = "The model's upstream is not available at the moment; try again."
_SETTINGS: Final = (
    "The model's upstream does not serve this model to this server. Its operator has to change the settings."
)
_FAILED: Final = "The model's upstream failed to answer this request; try again."


def _request_error(body: UpstreamErrorBody, status: int, replica: UpstreamReplica, detail: str) -> UpstreamError:
    message = scrub(body.message, replica)
    if "Traceback (most recent call last)" in body.message:
        message = ""
    overflow = bool(_OVERFLOW.search(body.message)) or "context" in body.code or "context" in body.type
    quote = f" It says: {message}" if message else ""
    if body.code in _OWN_CODES:
        code = body.code
        text = message or f"The model's upstream refuses this request ({code})."
    elif overflow:
        code, text = "context_length_exceeded", f"The prompt is too long for the model's upstream.{quote}"
    elif status == 413:
        code, text = "body_too_large", f"The request is too large for the model's upstream.{quote}"
    elif status == 404:
        code, text = "not_found", f"The model's upstream does not find an object of the request.{quote}"
    else:
        code, text = "invalid_value", f"The model's upstream refuses this request.{quote}"
    assert code in ERRORS
    return UpstreamError(AttemptFailure("request", detail), code, text, param=body.param)


def _validation_text(errors: Any) -> str:
    """FastAPI's validation errors as one text."""
    entries = errors if isinstance(errors, list) else [errors]
    texts = []
    for entry in entries[:8]:
        if isinstance(entry, dict) and isinstance(entry.get("msg"), str):
            where = entry.get("loc")
            path = ".".join(str(part) for part in where if part != "body") if isinstance(where, list) else ""
            texts.append(f"{path}: {entry['msg']}" if path else entry["msg"])
    return "; ".join(texts)


def _retry_after(headers: Mapping[str, str]) -> float | None:
    """Seconds until another attempt makes sense, at most an hour."""
    text = headers.get("retry-after", "")
    try:
        seconds = float(text)
    except ValueError:
        try:
            seconds = email.utils.parsedate_to_datetime(text).timestamp() - time.time()
        except (ValueError, TypeError, OverflowError):
            return None
    return min(max(seconds, 0.0), _MAX_RETRY_AFTER) if seconds == seconds else None
