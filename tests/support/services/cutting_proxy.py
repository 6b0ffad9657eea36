"""A TCP proxy that cuts connections in the middle of their responses."""

import asyncio
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from urllib.parse import urlsplit


@dataclass
class CuttingProxy:
    """Forwards connections to `target`. Each of the first ones is cut after as many bytes as `cuts` has for it."""

    target: str
    cuts: list[int]
    url: str = ""
    connections: int = 0

    async def serve(self, started: threading.Event, stop: asyncio.Event) -> None:
        """Serve until `stop`."""
        server = await asyncio.start_server(self._forward, "127.0.0.1", 0)
        self.url = f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}"
        started.set()
        await stop.wait()
        server.close()

    async def _forward(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.connections += 1
        left = self.cuts.pop(0) if self.cuts else None
        address = urlsplit(self.target)
        above, to_above = await asyncio.open_connection(address.hostname, address.port)
        upload = asyncio.ensure_future(_copy(reader, to_above))
        try:
            while data := await above.read(65536):
                if left is not None:
                    data, left = data[:left], left - len(data[:left])
                writer.write(data)
                await writer.drain()
                if left == 0:
                    break
        finally:
            upload.cancel()
            writer.close()
            to_above.close()


@contextmanager
def cutting_proxy(target: str, cuts: list[int]) -> Iterator[CuttingProxy]:
    """A running proxy, in a thread."""
    proxy, started = CuttingProxy(target, list(cuts)), threading.Event()
    loop = asyncio.new_event_loop()
    stop = asyncio.Event()

    def run() -> None:
        with suppress(asyncio.CancelledError):
            loop.run_until_complete(proxy.serve(started, stop))
        for task in asyncio.all_tasks(loop):
            task.cancel()
        loop.run_until_complete(asyncio.sleep(0))
        loop.close()

    thread = threading.Thread(target=run)
    thread.start()
    try:
        assert started.wait(10)
        yield proxy
    finally:
        loop.call_soon_threadsafe(stop.set)
        thread.join()


async def _copy(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    with suppress(OSError):
        while data := await reader.read(65536):
            writer.write(data)
            await writer.drain()
