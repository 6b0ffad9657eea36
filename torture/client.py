"""A cheap HTTP client that records the part of a response before its connection ended."""

import asyncio
import json
import re
import time
from contextlib import suppress
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import urlsplit

CHAT = "/v1/chat/completions"
_ID = re.compile(rb'"id":"(chatcmpl-[0-9a-f]+)"')


@dataclass
class Answer:
    """What came: status 0 for nothing. `ended`: the response came to its end."""

    status: int = 0
    headers: dict[str, str] = field(default_factory=dict)
    body: bytes = b""
    ended: bool = False
    seconds: float = 0.0

    @property
    def completion(self) -> str | None:
        """The id of the completion, as soon as any of it was seen."""
        found = _ID.search(self.body)
        return found[1].decode() if found else None

    @property
    def whole(self) -> bool:
        """Whether the client could see the end of a completion."""
        if self.status != 200:
            return False
        if self.headers.get("content-type", "").startswith("text/event-stream"):
            return b'"finish_reason":"' in self.body
        return self.ended

    @property
    def tokens(self) -> int | None:
        """The number that the answer declares, if it is readable."""
        found = re.search(rb'"completion_tokens":(\d+)', self.body)
        return int(found[1]) if found else None

    @property
    def code(self) -> str | None:
        """The error's code, also that of an error within a stream."""
        found = re.search(rb'"code":"(\w+)"', self.body)
        return found[1].decode() if found else None

    def content(self) -> str:
        """The text of a completion, whole or streamed. Raises `ValueError` for what is none."""
        if not self.headers.get("content-type", "").startswith("text/event-stream"):
            text: str = json.loads(self.body)["choices"][0]["message"]["content"]
            return text
        chunks = [json.loads(line[6:]) for line in self.body.splitlines() if line.startswith(b"data: {")]
        return "".join(choice["delta"].get("content") or "" for chunk in chunks for choice in chunk["choices"])


class Client:
    """One connection to a server, kept alive while that goes well and opened again when it does not."""

    def __init__(self, url: str, key: str) -> None:
        parts = urlsplit(url)
        self._host, self._port, self._key = parts.hostname, parts.port, key
        self._reader: asyncio.StreamReader | None = None
        self._writer: asyncio.StreamWriter | None = None

    async def chat(self, **fields: Any) -> Answer:
        """Ask for a completion."""
        return await self.send("POST", CHAT, json.dumps(fields).encode())

    async def get(self, path: str) -> Any:
        """The JSON of a response of any status."""
        return json.loads((await self.send("GET", path)).body)

    async def send(self, method: str, path: str, body: bytes = b"", **headers: str) -> Answer:
        """One request and its response. Never raises for faults of the server or the network."""
        answer, begin = Answer(), time.perf_counter()
        try:
            reader = await self.begin(method, path, body, **headers)
            await _read(reader, answer, head=method == "HEAD")
        except (OSError, EOFError, ValueError, IndexError):
            self.abort()
        if not answer.ended or answer.headers.get("connection") == "close":
            self.abort()
        answer.seconds = time.perf_counter() - begin
        return answer

    async def begin(self, method: str, path: str, body: bytes = b"", **headers: str) -> asyncio.StreamReader:
        """Send a request; where its answer can be read. Raises `OSError`."""
        if self._writer is None or self._reader is None:
            self._reader, self._writer = await asyncio.open_connection(self._host, self._port, limit=2**20)
        given = {"content-type": "application/json", "authorization": f"Bearer {self._key}"} | headers
        lines = "".join(f"{name.replace('_', '-')}: {value}\r\n" for name, value in given.items())
        head = f"{method} {path} HTTP/1.1\r\nhost: test\r\n{lines}content-length: {len(body)}\r\n\r\n"
        self._writer.write(head.encode("latin-1", "replace") + body)
        await self._writer.drain()
        return self._reader

    def abort(self) -> None:
        """Leave without a word."""
        if self._writer is not None:
            self._writer.transport.abort()
        self._reader = self._writer = None

    def __del__(self) -> None:
        with suppress(RuntimeError):  # of a loop that has been closed
            self.abort()


async def _read(reader: asyncio.StreamReader, answer: Answer, *, head: bool) -> None:
    lines = (await reader.readuntil(b"\r\n\r\n")).decode("latin-1").split("\r\n")
    answer.headers = {name.lower(): value.strip() for name, _, value in (line.partition(":") for line in lines[1:])}
    answer.status = int(lines[0].split(" ")[1])
    if answer.headers.get("transfer-encoding") != "chunked":
        length = 0 if head else int(answer.headers.get("content-length", "0"))
        answer.body = await reader.readexactly(length)
    else:
        while size := int(await reader.readline(), 16):
            answer.body += (await reader.readexactly(size + 2))[:-2]
        await reader.readexactly(2)
    answer.ended = True
