"""Requests that two HTTP implementations could frame differently.

Every case is two requests: a POST to a path that wants a key, and a GET of `/health` after it. Bodies hold a DELETE,
which must never be read as a request.
"""

from collections.abc import Iterator
from itertools import product

from tests.security.raw import request

INNER = request("DELETE", "/health", "Host: x")
NEXT = request("GET", "/health", "Host: x", "Connection: close")
CHUNKED = f"{len(INNER):x}\r\n".encode() + INNER + b"\r\n0\r\n\r\n"
_LENGTH = f"Content-Length: {len(INNER)}"
_TE = "Transfer-Encoding: chunked"
_TARGET = "/v1/models"


def corpus() -> Iterator[tuple[str, bytes]]:
    """A name for each case, and the bytes."""
    for name, content in _cases():
        yield name, content + NEXT


def _post(*headers: str, body: bytes = INNER, host: str = "Host: x", target: str = _TARGET) -> bytes:
    return request("POST", target, *([host] if host else []), *headers, body=body)


def _cases() -> Iterator[tuple[str, bytes]]:
    yield "plain", _post(_LENGTH)
    yield "chunked", _post(_TE, body=CHUNKED)
    yield from _lengths()
    yield from _codings()
    yield from _chunks()
    yield from _hosts()
    yield from _lines()
    yield from _fields()
    yield from _upgrades()


def _lengths() -> Iterator[tuple[str, bytes]]:
    size = len(INNER)
    for value in (
        f"+{size}", f"-{size}", f"{size},", f"{size}, {size}", f"{size} {size}", hex(size), f"{size:x}h", f"0{size}",
        f"{size}.0", f"{size}\t", f"\x0b{size}", f"{size}\x0c", "", " ", "1e2", "\u00b2", str(2**63),
        str(2**64 + size),
        "9" * 400, f"{size};a=b", f'"{size}"',
    ):  # fmt: skip
        yield f"length {value!r:.40}", _post(f"Content-Length: {value}")
    for second in (size, 0, size + 1):
        yield f"lengths {second}", _post(_LENGTH, f"Content-Length: {second}")
        yield f"lengths {second} apart", _post(_LENGTH, "X: y", f"content-length: {second}")
    for name in (
        "Content_Length",
        "Content-Length ",
        "Content-Length\t",
        " Content-Length",
        "Content Length",
        "Content\0-Length",
    ):
        yield f"name {name!r}", _post(f"{name}: {size}")
    yield "length of a GET", request("GET", "/health", "Host: x", _LENGTH, body=INNER)


def _codings() -> Iterator[tuple[str, bytes]]:
    for value in (
        "Chunked", "CHUNKED", " chunked \t", "xchunked", "chunkedx", "chunked,", ",chunked", "chunked, chunked",
        "gzip, chunked", "chunked, gzip", "identity", "identity, chunked", "chunked;q=1", '"chunked"', "\x0bchunked",
        "chunked\x0c", "chun\0ked", "", "chunked\r\n ", "\r\n chunked", "\u00e7hunked", "chunked identity",
    ):  # fmt: skip
        yield f"coding {value!r}", _post(f"Transfer-Encoding:{value}", body=CHUNKED)
        yield f"coding {value!r} and a length", _post(f"Transfer-Encoding: {value}", _LENGTH)
    for second in ("chunked", "identity", "gzip", "x"):
        yield f"codings, then {second}", _post(_TE, f"Transfer-Encoding: {second}", body=CHUNKED)
        yield f"codings, first {second}", _post(f"Transfer-Encoding: {second}", "X: y", _TE, body=CHUNKED)
    for name in ("Transfer_Encoding", "Transfer-Encoding ", "Transfer-Encoding\t", " Transfer-Encoding", "TE"):
        yield f"name {name!r}", _post(f"{name}: chunked", _LENGTH)
    for first, second in (("chunked, identity", ""), ("identity", "chunked"), ("chunked", "chunked, identity")):
        yield f"codings {first!r}, {second!r}", _post(*(f"Transfer-Encoding: {value}" for value in (first, second)))
    yield "folded coding", _post("Transfer-Encoding:", " chunked", _LENGTH)
    yield "folded length", _post("Content-Length:", f" {len(INNER)}")
    yield "coding and length", _post(_TE, _LENGTH, body=CHUNKED)
    yield "length and coding", _post(_LENGTH, _TE, body=CHUNKED)
    for version in ("1.0", "0.9", "2.0"):
        yield f"coding of HTTP/{version}", _post(_TE, body=CHUNKED).replace(b"HTTP/1.1", f"HTTP/{version}".encode(), 1)


def _chunks() -> Iterator[tuple[str, bytes]]:
    size = f"{len(INNER):x}"
    for line in (
        f"+{size}", f"-{size}", f" {size}", f"{size} ", f"\t{size}", f"0x{size}", f"000{size}", f"{size};a",
        f"{size};a=b",
        f'{size};a="b;c"', f'{size};a="b\n0"', f"{size};", f"{size} ;a", f"{size};a=b\x00", f"{size};a\n",
        f"{size}\r",
        f"{size},", f"{size}.0", f"1{'0' * 15}{size}", f"1{'0' * 16}{size}", "f" * 16, "", "g", f"{size}\x0b",
        f"{size}_0",
    ):  # fmt: skip
        yield f"chunk {line!r}", _post(_TE, body=line.encode() + b"\r\n" + INNER + b"\r\n0\r\n\r\n")
    for end in (b"\n", b"\r", b"", b"\n\r", b"\r\r\n", b" \r\n", b"\0\r\n", b"xx"):
        yield f"end {end!r} of a chunk", _post(_TE, body=size.encode() + b"\r\n" + INNER + end + b"0\r\n\r\n")
        yield f"end {end!r} of a size", _post(_TE, body=size.encode() + end + INNER + b"\r\n0\r\n\r\n")
        yield f"end {end!r} of all", _post(_TE, body=size.encode() + b"\r\n" + INNER + b"\r\n0\r\n" + end)
    for last in (
        "00",
        "0" * 17,
        "0" * 300,
        "0;a=b",
        "0;",
        "+0",
        "-0",
        "0x0",
        " 0",
        "0 ",
        "0_0",
        "",
        "0\t",
        "0\r",
        "0;\0",
    ):
        body = size.encode() + b"\r\n" + INNER + b"\r\n" + last.encode() + b"\r\n\r\n"
        yield f"last chunk {last!r:.40}", _post(_TE, body=body)
    for long in (f"{size};{'a' * 5000}", f"{size};{'a=b;' * 2000}", "0" * 5000 + size, f"{size};\x7f", f"{size};\x80"):
        body = long.encode("latin-1") + b"\r\n" + INNER + b"\r\n0\r\n\r\n"
        yield f"chunk {long[:9]!r} of {len(long)}", _post(_TE, body=body)
    empty = b"0\r\n\r\n" + INNER
    yield "an empty chunk before the rest", _post(_TE, body=empty)
    yield "many trailers", _post(_TE, body=b"0\r\n" + b"A: b\r\n" * 2000 + b"\r\n")
    for trailer in (
        "A: b", "Content-Length: 5", "Transfer-Encoding: identity", "Host: y", "Connection: close", "A : b",
        "A: b\n", " A: b",
        "Connection: upgrade\r\nUpgrade: h2c", "A: b\r\n c", "A", ": b", "A: \0",
    ):  # fmt: skip
        body = size.encode() + b"\r\n" + INNER + b"\r\n0\r\n" + trailer.encode() + b"\r\n\r\n"
        yield f"trailer {trailer!r}", _post(_TE, body=body)


def _hosts() -> Iterator[tuple[str, bytes]]:
    yield "no host", _post(_LENGTH, host="")
    for host in (
        "",
        " ",
        "x y",
        "x/y",
        "x@y",
        "x:y",
        "x,y",
        "x:80",
        "[::1]:80",
        "[::1",
        "x\\y",
        "\u00e4",
        "a?b",
        "a#b",
        "x:80:80",
    ):
        yield f"host {host!r}", _post(_LENGTH, host=f"Host: {host}")
    for target, host in product(
        ("http://y/v1/models", "http://x:80/v1/models", "http://x@y/v1/models"), ("x", "", "z")
    ):
        yield f"target {target!r}, host {host!r}", _post(_LENGTH, target=target, host=f"Host: {host}")
    for second in ("x", "y", ""):
        yield f"hosts {second!r}", _post("X: y", f"host: {second}", _LENGTH)
    yield "host ' :'", _post(_LENGTH, host="Host : x")
    for target in (
        "http://x/v1/models", "HTTP://x/v1/models", "https://y/v1/models", "http://x", "http://",
        "http:///v1/models", "x:80", "*",
        "//x/v1/models", "ftp://x/v1/models", "http://u@x/v1/models", "/v1/models#a", "/v1/models?#", "v1/models",
        "/v1/ models",
        "/v1/models\t", "/v1\x00/models", "/v1/m\u00f6dels", "/v1\\models", "http://x/v1/models HTTP/1.1", "?", "",
    ):  # fmt: skip
        yield f"target {target!r}", _post(_LENGTH, target=target)


def _lines() -> Iterator[tuple[str, bytes]]:
    plain = _post(_LENGTH)
    for version in (
        "HTTP/1.0", "HTTP/0.9", "HTTP/1.2", "HTTP/2.0", "HTTP/2", "HTTP/3", "HTTP/1.", "HTTP/1", "HTTP/11.1",
        "HTTP/1.10", "http/1.1",
        "HTTP/1.1 ", "HTTP /1.1", "HTTP/ 1.1", "HTTPS/1.1", "HTTP\\1.1", "", "HTTP/1,1", "HTTP/+1.1", "HTTP/1.1\0",
        "RTSP/1.0", "RTSP/1.1", " RTSP/1.1", "ICE/1.0",
    ):  # fmt: skip
        yield f"version {version!r}", plain.replace(b"HTTP/1.1", version.encode(), 1)
    for before in (b"\r\n", b"\n", b"\r", b"\r\n\r\n\r\n", b" ", b"\t", b"\0", b"\xef\xbb\xbf", b"x"):
        yield f"{before!r} before", before + plain
    for gap in (b"  ", b"\t", b"\x0b", b"\r", b"", b"\n"):
        yield f"gap {gap!r}", plain.replace(b"POST ", b"POST" + gap, 1)
        yield f"second gap {gap!r}", plain.replace(b" HTTP", gap + b"HTTP", 1)
    for method in ("post", "PoST", "P@ST", "POSTS", "P\0ST", "CONNECT", "SOURCE", "DESCRIBE", "TRACE", "\u00e9"):
        yield f"method {method!r}", plain.replace(b"POST", method.encode("latin-1"), 1)
    for end in (b"\n", b"\r", b"\n\r", b"\r\r\n"):
        yield f"ends {end!r}", plain.partition(b"\r\n\r\n")[0].replace(b"\r\n", end) + end * 2 + INNER
        yield f"first end {end!r}", plain.replace(b"\r\n", end, 1)
        yield f"last end {end!r}", plain.replace(b"\r\n\r\n", b"\r\n" + end, 1)
    for first in ("GET /health", "GET /health HTTP/1.1 x", "GET  /health HTTP/1.1", "BAD"):
        yield f"{first!r}, then a request", f"{first}\r\nHost: x\r\n\r\n".encode() + plain
    yield "a response", b"HTTP/1.1 100 Continue\r\n\r\n" + plain
    yield "an error, then a request", _post(f"Content-Length: {len(INNER)}x") + plain
    yield "PRI", b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"
    yield "HTTP/0.9", b"GET /health\r\n\r\n"
    yield "a long line", _post(_LENGTH, target="/v1/" + "a" * 400_000)


def _fields() -> Iterator[tuple[str, bytes]]:
    for line in (
        "X: a\rb", "X: a\nContent-Length: 0", "X: a\rContent-Length: 0", "X: a\r\n Content-Length: 0",
        "X: a\r\n\tb", "X: a\0b", "X : a",
        "X\t: a", "X", ": a", "X(: a", "\u00e4: a", "X: \u00e4", "X: \x01", "X: \x7f", "X:a", "X:", "X: a\r",
        " X: a", "\tX: a", "X: a\x85b",
        "Expect: 100-continue", "Expect: x", "Expect: 100-continue\r\nExpect: x", "Connection: close",
        "Connection: keep-alive",
        "Connection: close, keep-alive", "Connection: Transfer-Encoding", "Connection: Content-Length",
        "Keep-Alive: timeout=1",
        "Connection: x,close", "Connection: clos\u00e9", "Proxy-Connection: close",
        "Proxy-Connection: upgrade\r\nUpgrade: h2c", "HTTP2-Settings: AAMAAABkAAQAAP__",
        "Expect: 100-Continue", "Expect:", "Expect: 200-ok", "Content-Length\x0b: 0", "Transfer-Encoding\x00: chunked",
        "Trailer: Content-Length",
    ):  # fmt: skip
        yield f"field {line!r}", _post(line, _LENGTH)
        yield f"last field {line!r}", _post(_LENGTH, line)


def upgrades() -> Iterator[tuple[str, ...]]:
    """Header lines that offer an upgrade, each set in both orders."""
    for protocol, offer in product(
        ("h2c", "websocket", "WebSocket", "TLS/1.0", "h2c, websocket", "", "x" * 300),
        (
            ("Connection: Upgrade",),
            ("connection: upgrade",),
            ("Connection: UPGRADE, HTTP2-Settings", "HTTP2-Settings: AAMAAABkAAQAAP__"),
            ("Connection: keep-alive,upgrade",),
            ("Connection: keep-alive", "Connection: upgrade"),
            ("CONNECTION:\tuPgRaDe\t,x",),
        ),
    ):
        for name in ("Upgrade", "uPGRADE") if protocol == "h2c" else ("Upgrade",):
            yield (*offer, f"{name}: {protocol}")
            yield (f"{name}: {protocol}", *offer)
    yield ("Upgrade: h2c", "Upgrade: websocket", "Connection: upgrade", "Connection: Upgrade")
    yield ("Upgrade: h2c",)
    yield ("Connection: upgrade",)


def _upgrades() -> Iterator[tuple[str, bytes]]:
    for lines in upgrades():
        yield f"upgrade {lines!r:.90}", _post(*lines, _LENGTH)
        yield f"upgrade {lines!r:.90}, chunked", _post(*lines, _TE, body=CHUNKED)
        yield f"upgrade {lines!r:.90}, no body", request("GET", "/health", "Host: x", *lines)
    offer = ("Upgrade: h2c", "Connection: upgrade")
    yield "upgrade, coding and length", _post(*offer, _TE, _LENGTH, body=CHUNKED)
    yield "upgrade, two lengths", _post(*offer, _LENGTH, "Content-Length: 0")
    yield "upgrade, no host", _post(*offer, _LENGTH, host="")
    yield "upgrade and close", _post(*offer, "Connection: close", _LENGTH)
    yield "upgrade of HTTP/1.0", _post(*offer, _LENGTH).replace(b"HTTP/1.1", b"HTTP/1.0", 1)
    yield "upgrade of HTTP/2.0", _post(*offer, _LENGTH).replace(b"HTTP/1.1", b"HTTP/2.0", 1)
    yield "upgrade and expect", _post(*offer, "Expect: 100-continue", _LENGTH)
    yield "CONNECT", request("CONNECT", "x:80", "Host: x", _LENGTH, body=INNER)
    yield "CONNECT with a path", request("CONNECT", "/v1/models", "Host: x", _LENGTH, body=INNER)
    yield "CONNECT and upgrade", request("CONNECT", "x:80", "Host: x", *offer, _LENGTH, body=INNER)
