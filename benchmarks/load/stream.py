"""A cheap client for streams: raw sockets, and nothing is parsed before the stream has ended."""

import asyncio
import json
import time
from dataclasses import dataclass, field
from typing import Any, Final
from urllib.parse import urlsplit

CHAT: Final = "/v1/chat/completions"
COMPLETIONS: Final = "/v1/completions"
_DATA: Final = b"data: "


@dataclass
class Stream:
    """One streamed answer as it arrived. Times are seconds of `time.perf_counter()`."""

    started: float = 0.0
    events: list[tuple[float, bytes]] = field(default_factory=list)
    """Arrival and JSON of each event, in order."""
    status: int = 0
    ended: bool = False
    """Whether the stream came to its end."""
    arrivals: list[float] = field(default_factory=list)
    """The times at which text arrived; several tokens can arrive together."""
    text: str = ""
    tokens: int = 0
    """The output tokens that the server's `usage` counts, if the request asks for it."""
    prompt_tokens: int = 0

    @property
    def first_token(self) -> float:
        """Time to first token, in seconds."""
        return self.arrivals[0] - self.started

    @property
    def seconds(self) -> float:
        """From the request to the last text."""
        return self.arrivals[-1] - self.started

    @property
    def gaps(self) -> list[float]:
        """Seconds between consecutive arrivals of text."""
        return [after - before for before, after in zip(self.arrivals, self.arrivals[1:], strict=False)]

    def parse(self) -> None:
        """Read the events that have come so far into the other fields."""
        self.arrivals, pieces = [], []
        for at, data in self.events:
            chunk = json.loads(data)
            for choice in chunk.get("choices", ()):
                piece = choice.get("text") or choice.get("delta", {}).get("content")
                if piece:
                    self.arrivals.append(at)
                    pieces.append(piece)
            if usage := chunk.get("usage"):
                self.tokens, self.prompt_tokens = usage["completion_tokens"], usage["prompt_tokens"]
        self.text = "".join(pieces)


async def stream(url: str, key: str, fields: dict[str, Any], path: str = CHAT) -> Stream:
    """Run one streamed request to its end. Raises `RuntimeError` if it fails."""
    result = Stream()
    seen = await run_stream(result, url, key, fields, path)
    if not result.ended:
        raise RuntimeError(f"a stream failed with status {result.status}: {seen!r}")
    return result


async def run_stream(result: Stream, url: str, key: str, fields: dict[str, Any], path: str = CHAT) -> bytes:
    """The same into `result`, which has what came before a failure or a cancellation. Returns the last bytes."""
    parts = urlsplit(url)
    body = json.dumps(fields | {"stream": True}).encode()
    head = (
        f"POST {path} HTTP/1.1\r\nhost: {parts.netloc}\r\nauthorization: Bearer {key}\r\n"
        f"content-type: application/json\r\ncontent-length: {len(body)}\r\nconnection: close\r\n\r\n"
    )
    reader, writer = await asyncio.open_connection(parts.hostname, parts.port)
    last = b""
    try:
        result.started = time.perf_counter()
        writer.write(head.encode() + body)
        status = await reader.readline()
        result.status = int(status.split()[1]) if status else 0
        rest = b""
        while piece := await reader.read(65536):
            now = time.perf_counter()
            last = (last + piece)[-2000:]
            *lines, rest = (rest + piece).split(b"\n")
            for line in lines:
                if line.startswith(_DATA + b"{"):
                    result.events.append((now, line[len(_DATA) :]))
                elif line.startswith(_DATA + b"[DONE]"):
                    result.ended = True
    finally:
        writer.close()
        result.parse()
    return last


def rate(streams: list[Stream]) -> float:
    """Arrivals per second of all streams together, while all of them run."""
    start = max(stream.arrivals[0] for stream in streams)
    end = min(stream.arrivals[-1] for stream in streams)
    return sum(sum(1 for at in stream.arrivals if start < at <= end) for stream in streams) / (end - start)
