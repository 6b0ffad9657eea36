"""Operations under load: scaling, an upgrade, and a control plane that is away."""

import asyncio
import signal
import time

from tests.support.server import RunningServer
from torture.cluster.environment import Cluster, command_line, node_processes, send_signal, stopped
from torture.cluster.streams import MODEL, Stream, pauses, read_stream, story


async def scaling(cluster: Cluster, server: RunningServer) -> None:
    """More replicas, fewer, and an upgrade, under streams longer than the grace."""
    stop = asyncio.Event()
    streams: list[Stream] = []

    async def load() -> None:
        while not stop.is_set():
            streams.append(await read_stream(server, story(1200)))

    tasks = [asyncio.create_task(load()) for _ in range(8)]
    for count in ("4", "1", "2"):
        await cluster.command("scale", MODEL, count)
        await cluster.addresses(int(count))
    settings = cluster.home.parent / "forefront.toml"
    settings.write_text(settings.read_text().replace("kv_cache_gib = 0.2", "kv_cache_gib = 0.25"))
    await cluster.command("up")
    await cluster.addresses(2)
    stop.set()
    await asyncio.gather(*tasks)
    failed = sum(not stream.whole for stream in streams)
    moves = sum(stream.moves for stream in streams)
    found = f"{len(streams)} streams, {failed} failed, {moves} moves; {pauses(streams)}"
    cluster.streams += streams
    cluster.report("2, 4, 1, 2 replicas, then an upgrade", found, good=not failed)


async def control_plane(cluster: Cluster, server: RunningServer) -> None:
    """Serve's controller killed, and the GCS frozen for a while: requests go on, and scaling works afterwards."""
    seconds = max(90 * cluster.harness.scale, 5.0)
    head = node_processes(cluster.local.processes[0])
    gcs = [process for process in head if "/gcs_server" in command_line(process)]
    send_signal([process for process in head if "ray::ServeController" in command_line(process)], signal.SIGKILL)
    end, streams = time.monotonic() + seconds, list[Stream]()
    with stopped(gcs):
        while time.monotonic() < end:
            streams += await asyncio.gather(*(read_stream(server, story(100)) for _ in range(8)))
    await cluster.command("scale", MODEL, "3")
    await cluster.addresses(3)
    await cluster.command("scale", MODEL, "2")
    await cluster.addresses(2)
    failed = sum(not stream.whole for stream in streams)
    found = f"{len(streams)} streams, {failed} failed; {pauses(streams)}; scaled to 3 and 2 replicas afterwards"
    cluster.streams += streams
    alive = server.process.poll() is None
    title = f"controller killed, GCS away for {seconds:.0f} s"
    cluster.report(title, found, good=not failed and alive)
