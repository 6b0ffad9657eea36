"""Work that ends with its client, and with nothing else."""

import asyncio

import pytest
from starlette.types import Message

from forefront.server.http.disconnect import while_connected


class Client:
    """Stays until `leave`."""

    def __init__(self) -> None:
        self._gone = asyncio.Event()

    async def receive(self) -> Message:
        await self._gone.wait()
        return {"type": "http.disconnect"}

    def leave(self) -> None:
        self._gone.set()


class Work:
    """Waits for `done`, and records its end."""

    def __init__(self) -> None:
        self.done = asyncio.Event()
        self.ended = ""

    async def run(self) -> None:
        try:
            await self.done.wait()
            self.ended = "done"
        except asyncio.CancelledError:
            await asyncio.sleep(0)  # cleaning up may take time
            self.ended = "cancelled"
            raise


async def start(client: Client, work: Work) -> "asyncio.Task[None]":
    task = asyncio.create_task(while_connected({}, client.receive, work.run()))
    await asyncio.sleep(0.01)
    return task


async def test_work_continues_while_the_client_is_connected() -> None:
    client, work = Client(), Work()
    task = await start(client, work)
    work.done.set()
    await task
    assert work.ended == "done"


async def test_a_disconnect_ends_the_stream_without_an_error() -> None:
    client, work = Client(), Work()
    task = await start(client, work)
    client.leave()
    await task
    assert work.ended == "cancelled"
    assert not task.cancelling()


async def test_a_disconnect_at_the_end_cancels_no_other_request() -> None:
    client, work = Client(), Work()
    after = []

    async def whole() -> None:
        await while_connected({}, client.receive, work.run())
        await asyncio.sleep(0.01)
        after.append(work.ended)

    task = asyncio.create_task(whole())
    await asyncio.sleep(0.01)
    work.done.set()
    client.leave()
    await task
    assert after
    assert not task.cancelling()


@pytest.mark.parametrize("leaves", [False, True])
async def test_cancelling_the_task_raises_in_the_caller(leaves: bool) -> None:
    client, work = Client(), Work()
    task = await start(client, work)
    if leaves:
        client.leave()
        await asyncio.sleep(0)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    assert work.ended == "cancelled"


async def test_errors_of_the_work_are_raised() -> None:
    async def fail() -> None:
        raise ValueError("no")

    with pytest.raises(ValueError, match="no"):
        await while_connected({}, Client().receive, fail())
