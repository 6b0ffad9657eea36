"""Streams of this part, as their clients see them."""

import asyncio
import json
import random
import time
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass
from typing import Any, Final

from tests.support.server import KEY, RunningServer
from torture.client import CHAT, Client

MODEL: Final = "forefront-mini"


@dataclass
class Stream:
    """One answer as its client saw it. `tokens`: by its usage; `delivered`: counted, 0 without log-probabilities.
    `text`: its content, or the arguments of its tool call."""

    completion: str | None = None
    tokens: int | None = None
    delivered: int = 0
    moves: int = 0
    errors: int = 0
    finish: str | None = None
    longest_pause: float = 0.0
    text: str = ""

    @property
    def begun(self) -> bool:
        """Whether its first token has arrived."""
        return bool(self.delivered or self.text)

    @property
    def finished(self) -> bool:
        """Whether it came to its end."""
        return self.finish is not None

    @property
    def whole(self) -> bool:
        """Whether it came to its end without an error."""
        return self.finished and not self.errors

    def add(self, chunk: dict[str, Any]) -> None:
        """Take a chunk."""
        self.errors += "error" in chunk
        self.completion = chunk.get("id", self.completion)
        self.tokens = (chunk.get("usage") or {}).get("completion_tokens", self.tokens)
        self.moves = (chunk.get("receipt") or {}).get("moves") or self.moves
        for choice in chunk.get("choices", ()):
            self.finish = choice.get("finish_reason") or self.finish
            self.delivered += len((choice.get("logprobs") or {}).get("content") or ())
            delta = choice["delta"]
            self.text += delta.get("content") or ""
            for call in delta.get("tool_calls") or ():
                self.text += call["function"].get("arguments") or ""


async def read_stream(server: RunningServer, fields: dict[str, Any], stream: Stream | None = None) -> Stream:
    """Read one stream to its end, into `stream` or a new one."""
    stream = stream or Stream()
    client = Client(server.url, KEY)
    last: float | None = None
    with suppress(OSError, EOFError, ValueError):
        reader = await client.begin("POST", CHAT, json.dumps(fields).encode())
        while line := await reader.readline():
            if line.startswith(b"data: {"):
                chunk, now = json.loads(line[6:]), time.monotonic()
                stream.add(chunk)
                if chunk.get("choices"):
                    # The wait for the first token is no pause.
                    stream.longest_pause = max(stream.longest_pause, now - (last or now))
                    last = now
            elif line.startswith(b"data: [DONE]"):
                break
    client.abort()
    return stream


def story(tokens: int, **fields: Any) -> dict[str, Any]:
    """A request for a stream of so many tokens; those of every other one can be counted."""
    return {
        "model": MODEL,
        "messages": [{"role": "user", "content": f"Tell story {random.random()}"}],
        "max_tokens": tokens,
        "temperature": 1,
        "ignore_eos": True,
        "logprobs": bool(random.getrandbits(1)),
        "stream": True,
        "stream_options": {"include_usage": True},
    } | fields


@asynccontextmanager
async def running_streams(
    server: RunningServer, requests: Sequence[dict[str, Any]]
) -> AsyncIterator[Sequence[asyncio.Task[Stream]]]:
    """The tasks of so many streams, once each has begun. They are cancelled at the end, unless they have ended."""
    streams = [Stream() for _ in requests]
    tasks = [asyncio.create_task(read_stream(server, *request)) for request in zip(requests, streams, strict=True)]
    try:
        while not all(stream.begun or task.done() for stream, task in zip(streams, tasks, strict=True)):
            await asyncio.sleep(0.01)
        yield tasks
    finally:
        for task in tasks:
            task.cancel()


def pause(streams: Sequence[Stream], part: float) -> float:
    """A quantile of the longest pause of each stream, in seconds."""
    pauses = sorted(stream.longest_pause for stream in streams)
    return pauses[int(part * (len(pauses) - 1))] if pauses else 0.0


def pauses(streams: Sequence[Stream]) -> str:
    """The longest pause of each stream, as text."""
    return f"pause p50 {pause(streams, 0.5):.2f} s, p99 {pause(streams, 0.99):.2f} s"
