"""Requests with ambiguous framing, cut at random: the server accepts those that h11 accepts, or refuses."""

import asyncio
import random
import re
from collections import Counter
from collections.abc import Iterator
from contextlib import suppress
from urllib.parse import urlsplit

from tests.security.framing_corpus import CHUNKED, INNER, NEXT, upgrades
from tests.security.framing_peers import Reading, read_by_h11
from tests.security.raw import request
from torture.harness import Harness, entered

_CLIENTS = 16
_SECONDS = 3.0  # without a byte, after which a server waits for more of the request
_FRAMES = (
    ((f"Content-Length: {len(INNER)}",), INNER),
    (("Transfer-Encoding: chunked",), CHUNKED),
    (("transfer-encoding:CHUNKED",), CHUNKED),
    ((), b""),
)
_ODD = (
    "Content-Length: 0", "Content-Length: 5", "Content-Length: +5", "Content-Length: 5, 5", "Host: y", "X: a\rb",
    "Transfer-Encoding: chunked", "Transfer-Encoding: gzip, chunked", "Transfer-Encoding: identity",
    "Transfer-Encoding : chunked",
    "X: a\nb", " folded", "Connection: close", "Connection: keep-alive", "Expect: 100-continue", "Content_Length: 3",
)  # fmt: skip
_VERSIONS = (b"HTTP/1.0", b"HTTP/2.0", b"HTTP/0.9", b"HTTP/1.2")
# No space and no end of a line: a request line with two spaces is nginx's and the server's, not h11's.
_BYTES = bytes(set(range(256)) - set(b" \t\r\n\x0b\x0c"))


async def run(harness: Harness) -> None:
    """10,000 connections with one to four requests and one at their end; the store makes no difference."""
    seed, count = random.randrange(2**32), harness.count(10_000)
    found: Counter[str] = Counter()
    bad: list[tuple[bytes, bytes]] = []
    async with entered(harness.serve(harness.new_store("SQLite"), harness.tiny())) as server:
        contents = _contents(random.Random(seed), harness.numbers("smuggle", count))
        await asyncio.gather(
            *(_send(server.url, contents, random.Random(seed + n), found, bad) for n in range(_CLIENTS))
        )
    for content, answers in bad[:5]:
        harness.log(f"smuggle, seed {seed}: {content!r} was answered by {answers!r}")
    counts = ", ".join(f"{number} × {kind}" for kind, number in sorted(found.items()))
    harness.report("smuggle", "SQLite", f"{count} connections with unclear requests", counts, good=not bad)


def _contents(chance: random.Random, numbers: Iterator[int]) -> Iterator[bytes]:
    offers = list(upgrades())
    for _ in numbers:
        yield b"".join(_one(chance, offers) for _ in range(chance.randint(1, 4))) + NEXT


def _one(chance: random.Random, offers: list[tuple[str, ...]]) -> bytes:
    frame, body = chance.choice(_FRAMES)
    lines = [*frame, *(chance.choice(offers) if chance.random() < 0.5 else ())]
    if chance.random() < 0.2:
        lines.insert(chance.randrange(len(lines) + 1), chance.choice(_ODD))
    method, target = ("POST", "/v1/models") if body else ("GET", "/health")
    content = request("CONNECT" if chance.random() < 0.02 else method, target, "Host: x", *lines, body=body)
    if chance.random() < 0.05:
        content = content.replace(b"HTTP/1.1", chance.choice(_VERSIONS), 1)
    if chance.random() < 0.1:
        at = chance.randrange(len(content))
        content = content[:at] + bytes([chance.choice(_BYTES)]) + content[at + 1 :]
    return content


async def _send(
    url: str,
    contents: Iterator[bytes],
    chance: random.Random,
    found: Counter[str],
    bad: list[tuple[bytes, bytes]],
) -> None:
    for content in contents:
        answers, reset = await _exchange(url, content, chance)
        kind = _kind(answers, read_by_h11(content), reset=reset)
        found[kind] += 1
        if kind == "DISAGREEMENT":
            bad.append((content, answers))


async def _exchange(url: str, content: bytes, chance: random.Random) -> tuple[bytes, bool]:
    """What comes back, and whether the connection was reset: answers that are on their way are then lost."""
    parts, answers, reset = urlsplit(url), b"", False
    reader, writer = await asyncio.open_connection(parts.hostname, parts.port)
    try:
        with suppress(OSError, RuntimeError):  # the server has closed the connection
            rest = content
            while rest:
                cut = chance.randint(1, len(rest)) if chance.random() < 0.7 else len(rest)
                writer.write(rest[:cut])
                await asyncio.sleep(0)
                rest = rest[cut:]
        with suppress(TimeoutError):
            while piece := await asyncio.wait_for(reader.read(2**16), _SECONDS):
                answers += piece
    except ConnectionError:
        reset = True
    finally:
        writer.transport.abort()
    return answers, reset


def _kind(answers: bytes, reading: Reading, *, reset: bool) -> str:
    """How the answers compare with the requests that h11 sees. A DELETE is a body, and gets a 405."""
    statuses = [int(status) for status in re.findall(rb"HTTP/1\.1 (\d{3}) ", answers) if status != b"100"]
    refused = statuses[-1:] == [400]
    taken = statuses[:-1] if refused else statuses
    if taken.count(405) > reading.methods.count("DELETE") or (
        not reading.refused and len(taken) > len(reading.methods)
    ):
        return "DISAGREEMENT"
    if refused or reset:
        return "refused" if refused else "reset"
    if reading.refused:
        return "read further than h11"
    if len(taken) == len(reading.methods):
        return "read like h11"
    # The server may end a connection with any answer, and does so when it refuses a body that it was to ask for.
    return "ended early" if b"\r\nconnection: close\r\n" in answers.rpartition(b"HTTP/1.1 ")[2] else "DISAGREEMENT"
