"""A cheap load generator for streams: raw sockets, events counted as they arrive."""

import asyncio
import json
import re
import time
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import urlsplit


@dataclass
class Stream:
    """The arrival times of one stream's tokens, in seconds of `time.perf_counter()`."""

    started: float
    arrivals: list[float] = field(default_factory=list)
    tokens: int = 0
    """What the server's `usage` counts, where the request asks for it."""

    @property
    def first_token(self) -> float:
        """Time to first token, in seconds."""
        return self.arrivals[0] - self.started


async def stream(url: str, key: str, fields: dict[str, Any]) -> Stream:
    """Run one streamed request to its end. Raises `RuntimeError` if it fails."""
    parts = urlsplit(url)
    body = json.dumps(fields | {"stream": True}).encode()
    head = (
        f"POST /v1/chat/completions HTTP/1.1\r\nhost: {parts.netloc}\r\nauthorization: Bearer {key}\r\n"
        f"content-type: application/json\r\ncontent-length: {len(body)}\r\nconnection: close\r\n\r\n"
    )
    reader, writer = await asyncio.open_connection(parts.hostname, parts.port)
    result = Stream(time.perf_counter())
    writer.write(head.encode() + body)
    seen = b""
    while piece := await reader.read(65536):
        result.arrivals += [time.perf_counter()] * piece.count(b'"delta":{"content"')
        seen = (seen + piece)[-4000:]
    writer.close()
    if b"[DONE]" not in seen:
        raise RuntimeError(f"a stream failed: {seen!r}")
    if usage := re.search(rb'"completion_tokens":(\d+)', seen):
        result.tokens = int(usage[1])
    return result


def rate(streams: list[Stream]) -> float:
    """Tokens per second of all streams together, while all of them run."""
    start = max(stream.arrivals[0] for stream in streams)
    end = min(stream.arrivals[-1] for stream in streams)
    return sum(sum(1 for at in stream.arrivals if start < at <= end) for stream in streams) / (end - start)
