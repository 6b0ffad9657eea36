"""Rules for parts of messages other than text: images, audio, files."""

import ipaddress
import re
from collections.abc import Sequence
from typing import Final, NoReturn
from urllib.parse import urlsplit

from forefront.wire.completions.message import FilePart, ImagePart, MediaPart, Message
from forefront.wire.errors import RequestError

MAX_MEDIA_PARTS: Final = 64  # of a request
_MAX_URL: Final = 8192  # characters of a URL other than `data:`
_DATA_URL: Final = re.compile(r"data:(?P<kind>[\w.+-]*(?:/[\w.+-]+)?)(?:;[\w.+-]+=[\w.+-]+)*;base64,", re.ASCII)
_BASE64: Final = re.compile(r"[A-Za-z0-9+/_=\s-]*\Z", re.ASCII)
# Characters that are checked at a time: a search holds the interpreter lock to its end.
_PIECE: Final = 2**16
_INTERNAL: Final = (".localhost", ".local", ".internal", ".intranet", ".lan", ".home", ".corp", ".home.arpa")
_NUMERIC: Final = re.compile(r"(0x[0-9a-f]+|[0-9]+)(\.(0x[0-9a-f]+|[0-9]+))*", re.IGNORECASE)


def media_parts(messages: Sequence[Message]) -> list[tuple[str, MediaPart]]:
    """The parts other than text, each with its path."""
    return [
        (f"messages[{number}].content[{index}]", part)
        for number, message in enumerate(messages)
        if isinstance(message.content, list)
        for index, part in enumerate(message.content)
        if isinstance(part, MediaPart)
    ]


def check_media(messages: Sequence[Message]) -> None:
    """Raises `RequestError` 422 for too many parts, for data that is not base64, and for an address that is not public.

    This server never opens an address itself. An upstream may, so none within its network is passed on.
    """
    parts = media_parts(messages)
    if len(parts) > MAX_MEDIA_PARTS:
        _refuse(f"A request can have at most {MAX_MEDIA_PARTS} images, sounds and files.", parts[MAX_MEDIA_PARTS][0])
    for path, part in parts:
        if isinstance(part, ImagePart):
            _check_url(part.image_url.url, f"{path}.image_url.url")
        elif isinstance(part, FilePart):
            if part.file.file_data is not None:
                _check_file(part.file.file_data, f"{path}.file.file_data")
        elif not _is_base64(part.input_audio.data):
            _refuse(f"`{path}.input_audio.data` is not base64.", f"{path}.input_audio.data")


def _check_url(url: str, param: str) -> None:
    if url[:5].lower() == "data:":
        match = _DATA_URL.match(url)
        if match is None or not match["kind"].lower().startswith("image/") or not _is_base64(url, match.end()):
            _refuse(f"`{param}` must be like `data:image/png;base64,…`.", param)
        return
    if len(url) > _MAX_URL or not url.isprintable() or " " in url or "\\" in url:
        _refuse(f"`{param}` is not a URL.", param)
    try:
        parts = urlsplit(url)
        host = parts.hostname or ""
        _ = parts.port
    except ValueError:
        _refuse(f"`{param}` is not a URL.", param)
    if parts.scheme.lower() not in ("https", "http"):
        _refuse(f"`{param}` must begin with `data:`, `https:` or `http:`.", param)
    if not host or "@" in parts.netloc or not _is_public(host):
        _refuse(f"`{param}` must name a public host, without a user name.", param)


def _check_file(data: str, param: str) -> None:
    match = _DATA_URL.match(data)
    if not _is_base64(data, 0 if match is None else match.end()):
        _refuse(f"`{param}` must be base64, or like `data:application/pdf;base64,…`.", param)


def _is_base64(text: str, start: int = 0) -> bool:
    return all(_BASE64.match(text, at, at + _PIECE) for at in range(start, len(text), _PIECE))


def _is_public(host: str) -> bool:
    host = host.rstrip(".").lower()
    try:
        return ipaddress.ip_address(host.partition("%")[0]).is_global
    except ValueError:
        # Also other ways to write an address as numbers: 127.1, 2130706433, 0x7f.1.
        return "." in host and not host.endswith(_INTERNAL) and not _NUMERIC.fullmatch(host)


def _refuse(text: str, param: str) -> NoReturn:
    raise RequestError("invalid_value", text, param=param)
