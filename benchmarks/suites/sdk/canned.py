"""A server with instant responses: a fixed completion, or a stream of `max_tokens` chunks."""

import asyncio
import json
import multiprocessing
from collections.abc import Iterator
from contextlib import contextmanager
from multiprocessing.connection import Connection
from typing import Any, Final

_BASE: Final[dict[str, Any]] = {"id": "chatcmpl-1", "created": 1, "model": "m", "system_fingerprint": "fp"}
_MESSAGE: Final = {"role": "assistant", "content": "Hello"}
_USAGE: Final = {
    "prompt_tokens": 2,
    "completion_tokens": 1,
    "input_tokens": 2,
    "output_tokens": 1,
    "total_tokens": 3,
}
_CHOICE: Final = {"index": 0, "message": _MESSAGE, "logprobs": None, "finish_reason": "stop"}
_WHOLE: Final = {**_BASE, "object": "chat.completion", "choices": [_CHOICE], "usage": _USAGE, "message": _MESSAGE}
_DELTA: Final = {"index": 0, "delta": {"content": " word"}, "logprobs": None, "finish_reason": None}
_CHUNK: Final = {**_BASE, "object": "chat.completion.chunk", "choices": [_DELTA]}


@contextmanager
def canned_server() -> Iterator[str]:
    """The URL of a server in its own process."""
    context = multiprocessing.get_context("spawn")
    ours, theirs = context.Pipe()
    process = context.Process(target=_run, args=[theirs], daemon=True)
    process.start()
    try:
        yield f"http://127.0.0.1:{ours.recv()}"
    finally:
        process.terminate()
        process.join()


def _run(pipe: Connection) -> None:
    asyncio.run(_serve(pipe))


async def _serve(pipe: Connection) -> None:
    server = await asyncio.start_server(_answer, "127.0.0.1", 0)
    pipe.send(server.sockets[0].getsockname()[1])
    await server.serve_forever()


async def _answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    while True:
        try:
            head = await reader.readuntil(b"\r\n\r\n")
        except asyncio.IncompleteReadError:
            writer.close()
            return
        [length] = [line[15:] for line in head.lower().split(b"\r\n") if line.startswith(b"content-length:")]
        request = json.loads(await reader.readexactly(int(length)))
        writer.write(_stream(request["max_tokens"]) if request.get("stream") else _whole())
        await writer.drain()


def _whole() -> bytes:
    body = json.dumps(_WHOLE).encode()
    return b"HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ncontent-length: %d\r\n\r\n%b" % (len(body), body)


def _stream(count: int) -> bytes:
    head = b"HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\ntransfer-encoding: chunked\r\n\r\n"
    event = _framed(json.dumps(_CHUNK, separators=(",", ":")))
    return b"".join([head, event * count, _framed("[DONE]"), b"0\r\n\r\n"])


def _framed(data: str) -> bytes:
    event = f": message\ndata: {data}\n\n".encode()
    return b"%x\r\n%b\r\n" % (len(event), event)
