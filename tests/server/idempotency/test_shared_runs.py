"""What is kept of shared runs, for how long, and who waits for whom."""

import asyncio
from collections import Counter
from collections.abc import Awaitable, Callable
from contextlib import suppress
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from starlette.types import Message, Send

from forefront.server.idempotency.replay_buffer import WINDOW
from forefront.server.idempotency.shared_run import SharedRun
from forefront.server.idempotency.shared_runs import Retention, SharedRuns
from forefront.server.sending.sse import DONE, EVENT_NUMBER, STREAM_FAILED
from forefront.wire.errors import RequestError

START: dict[str, Any] = {
    "type": "http.response.start",
    "status": 200,
    "headers": [(b"content-type", b"application/json")],
}
STREAM: dict[str, Any] = START | {"headers": [(b"content-type", b"text/event-stream; charset=utf-8")]}


def piece(body: bytes, *, more: bool = True) -> Message:
    return {"type": "http.response.body", "body": body, "more_body": more}


class Endpoint:
    """Sends each message once it is released; counts its calls and its cancellations."""

    def __init__(self, *messages: Message, error: Exception | None = None) -> None:
        self.begun = self.cancelled = self.sent = 0
        self.go = asyncio.Event()
        self._messages, self._error = messages, error

    async def __call__(self, send: Send) -> None:
        self.begun += 1
        try:
            for number, message in enumerate(self._messages):
                if number == len(self._messages) - 1:
                    await self.go.wait()
                await send(message)
                self.sent += 1
            if self._error is not None:
                raise self._error
        except asyncio.CancelledError:
            self.cancelled += 1
            raise


def answer(size: int = 4) -> Endpoint:
    """A whole answer that waits for nothing."""
    endpoint = Endpoint(START, piece(b"x" * size, more=False))
    endpoint.go.set()
    return endpoint


async def play(
    runs: SharedRuns, endpoint: Callable[[Send], Awaitable[None]], name: str = "a", owner: str = "owner"
) -> bytes:
    """Join and read to the end."""
    run, again = runs.join(owner, name, b"", endpoint)
    received: list[Message] = []

    async def send(message: Message) -> None:
        received.append(message)

    with run.attached():
        await run.play(send, replayed=again)
    return b"".join(message.get("body", b"") for message in received)


async def desert(runs: SharedRuns, endpoint: Endpoint, name: str = "a", owner: str = "owner") -> SharedRun:
    """Ask, and go away before the end."""
    run, _ = runs.join(owner, name, b"", endpoint)
    with run.attached():
        await settle()
    return run


async def settle() -> None:
    """Let everything happen that can."""
    for _ in range(20):
        await asyncio.sleep(0)


async def test_results_are_kept_and_the_least_recently_used_goes_first() -> None:
    runs, endpoint = SharedRuns(Retention(entries=2)), answer()
    for name in ("a", "b", "a", "c", "a", "b"):
        assert await play(runs, endpoint, name) == b"xxxx"
    # a, b and c once each, and b again: c had taken its place.
    assert endpoint.begun == 4


async def test_bytes_are_bounded_over_all_results() -> None:
    runs, endpoint = SharedRuns(Retention(memory=25_000)), answer(10_000)
    for name in ("a", "b", "c", "c", "b", "a"):
        await play(runs, endpoint, name)
    assert endpoint.begun == 4


async def test_a_result_that_is_too_large_is_reported_and_not_kept() -> None:
    runs, endpoint = SharedRuns(Retention(largest=1000)), answer(5000)
    assert await play(runs, endpoint) == await play(runs, endpoint) == b"x" * 5000
    assert endpoint.begun == 2


async def test_results_expire() -> None:
    runs, endpoint = SharedRuns(Retention(seconds=1)), answer()
    await play(runs, endpoint)
    assert "a" in runs._runs
    async with asyncio.timeout(60):
        while "a" in runs._runs:
            await asyncio.sleep(0.01)
    await play(runs, endpoint)
    assert endpoint.begun == 2


@pytest.mark.parametrize(
    ("messages", "error", "kept"),
    [
        ([START, piece(b"{}", more=False)], None, True),
        ([STREAM, piece(b"1"), piece(DONE), piece(b"", more=False)], None, True),
        ([STREAM, piece(b"1"), piece(b"an error"), {**piece(b"", more=False), STREAM_FAILED: True}], None, False),
        ([START | {"status": 503}, piece(b"{}", more=False)], None, False),
        ([START, piece(b"{")], None, False),
        ([START, piece(b"{}")], ValueError("broken"), False),
    ],
)
async def test_only_complete_successes_are_stored(messages: list[Message], error: Exception | None, kept: bool) -> None:
    runs, endpoint = SharedRuns(), Endpoint(*messages, error=error)
    endpoint.go.set()
    for _ in range(2):
        with suppress(ValueError):
            await play(runs, endpoint)
    assert endpoint.begun == (1 if kept else 2)


async def test_all_waiters_get_the_error_and_the_next_request_a_new_run() -> None:
    runs, endpoint = SharedRuns(), Endpoint(error=RequestError("overloaded", "busy"))
    outcomes = await asyncio.gather(*(play(runs, endpoint) for _ in range(3)), return_exceptions=True)
    assert [getattr(outcome, "code", None) for outcome in outcomes] == ["overloaded"] * 3
    assert endpoint.begun == 1
    with pytest.raises(RequestError):
        await play(runs, endpoint)
    assert endpoint.begun == 2


async def test_an_abandoned_run_continues_for_a_time_that_depends_on_its_output() -> None:
    runs = SharedRuns(Retention(grace=0.05, grace_begun=60))
    silent, begun = Endpoint(piece(b"x")), Endpoint(START, piece(b"x", more=False))
    await desert(runs, silent, "silent")
    await desert(runs, begun, "begun")
    await asyncio.sleep(0.1)
    await settle()
    assert (silent.cancelled, begun.cancelled) == (1, 0)
    begun.go.set()
    assert await play(runs, begun, "begun") == b"x"
    assert begun.begun == 1


async def test_a_reconnecting_client_keeps_the_run() -> None:
    runs, endpoint = SharedRuns(Retention(grace=0.05)), Endpoint(piece(b"x"))
    run = await desert(runs, endpoint)
    with run.attached():
        await asyncio.sleep(0.1)
        assert endpoint.cancelled == 0
    await asyncio.sleep(0.1)
    await settle()
    assert endpoint.cancelled == 1
    endpoint.go.set()
    await play(runs, endpoint)
    assert endpoint.begun == 2


async def test_the_run_abandoned_longest_is_evicted() -> None:
    runs = SharedRuns(Retention(deserted=2))
    endpoints = [Endpoint(piece(b"x")) for _ in range(4)]
    for number, endpoint in enumerate(endpoints):
        await desert(runs, endpoint, f"{number}", "greedy" if number < 3 else "other")
    assert [endpoint.cancelled for endpoint in endpoints] == [1, 0, 0, 0]
    await runs.close()
    assert [endpoint.cancelled for endpoint in endpoints] == [1, 1, 1, 1]


async def test_a_stalled_reader_blocks_the_writer_without_a_buffer() -> None:
    pieces = [piece(bytes(1000)) for _ in range(2000)]
    runs, endpoint = SharedRuns(Retention(largest=10_000)), Endpoint(START, *pieces, piece(b"", more=False))
    endpoint.go.set()
    run, _ = runs.join("owner", "a", b"", endpoint)
    received, may = 0, asyncio.Event()

    async def send(message: Message) -> None:
        nonlocal received
        await may.wait()
        received += len(message.get("body", b""))

    with run.attached():
        reading = asyncio.ensure_future(run.play(send, replayed=False))
        await settle()
        assert endpoint.sent < WINDOW / 1000 + 20
        assert not reading.done()
        may.set()
        await reading
    assert received == 2_000_000


async def test_a_stalled_reader_does_not_delay_another() -> None:
    pieces = [piece(bytes(1000)) for _ in range(2000)]
    runs, endpoint = SharedRuns(Retention(largest=10_000)), Endpoint(START, *pieces, piece(b"", more=False))
    run, _ = runs.join("owner", "a", b"", endpoint)
    received, may = [0, 0], asyncio.Event()

    async def send(message: Message) -> None:
        received[0] += len(message.get("body", b""))

    async def send_late(message: Message) -> None:
        await may.wait()
        received[1] += len(message.get("body", b""))

    with run.attached():
        stalled = asyncio.ensure_future(run.play(send_late, replayed=False))
        quick = asyncio.ensure_future(run.play(send, replayed=True))
        await settle()
        endpoint.go.set()
        await quick
        may.set()
        await stalled
    assert received[0] == 2_000_000
    assert received[1] < 2_000_000


async def test_a_run_without_a_key_ends_with_its_last_reader() -> None:
    runs, endpoint = SharedRuns(Retention(largest=100)), Endpoint(START, piece(bytes(1000)), piece(b"", more=False))
    await desert(runs, endpoint)
    await settle()
    assert endpoint.cancelled == 1


async def test_a_failing_run_ends_for_all_connections() -> None:
    async def broken_off(_send: Send) -> None:
        raise asyncio.CancelledError

    runs = SharedRuns()
    with pytest.raises(RequestError) as caught:
        await asyncio.wait_for(play(runs, broken_off), 60)
    assert caught.value.code == "shutting_down"
    assert await play(runs, answer()) == b"xxxx"
    await runs.close()


async def repeated(runs: SharedRuns, name: str, owner: str) -> bool:
    """Whether a request under that name would be answered from a kept response. Changes nothing."""
    return name in runs._runs and runs._entries[runs._runs[name]].owner == owner


async def test_a_flood_evicts_only_entries_of_its_owner() -> None:
    runs = SharedRuns(Retention(memory=200_000, entries=50))
    await play(runs, answer(10_000), "owned", "modest")
    for number in range(60):
        await play(runs, answer(8_000), f"large{number}", "greedy")
    for number in range(120):
        await play(runs, answer(10), f"small{number}", "greedy")
    endpoint = answer(10_000)
    assert await play(runs, endpoint, "owned", "modest") == b"x" * 10_000
    assert endpoint.begun == 0


async def test_runs_in_progress_count_for_their_owner() -> None:
    """What a run under way has sent takes room too, and an owner that has nothing else gives that up."""
    runs = SharedRuns(Retention(memory=100_000))
    await play(runs, answer(10_000), "owned", "modest")
    endpoints = [Endpoint(START, piece(bytes(30_000)), piece(b"", more=False)) for _ in range(4)]
    for number, endpoint in enumerate(endpoints):
        await desert(runs, endpoint, f"{number}", "greedy")
    again = answer(10_000)
    await play(runs, again, "owned", "modest")
    assert again.begun == 0
    await settle()
    assert sum(endpoint.cancelled for endpoint in endpoints) == 2, "those that cannot be joined any more end"
    await runs.close()


async def test_retryable_results_are_evicted_last() -> None:
    """Of one owner's answers, those that a client has received in full are dropped first, at any age."""
    runs = SharedRuns(Retention(memory=60_000))
    lost = Endpoint(START, piece(bytes(10_000)), piece(b"", more=False))
    await desert(runs, lost, "lost")
    lost.go.set()
    await settle()
    for number in range(20):
        await play(runs, answer(10_000), f"seen{number}")
    assert await repeated(runs, "lost", "owner")
    assert await repeated(runs, "seen19", "owner")
    assert not await repeated(runs, "seen5", "owner")
    assert len(await play(runs, lost, "lost")) == 10_000
    assert lost.begun == 1
    for number in range(20):  # it has been seen now, and is one of them
        await play(runs, answer(10_000), f"more{number}")
    assert not await repeated(runs, "lost", "owner")


async def test_an_evicted_running_answer_still_reaches_its_client() -> None:
    runs = SharedRuns(Retention(memory=100_000))
    endpoint = Endpoint(START, *[piece(bytes(1000)) for _ in range(60)], piece(b"", more=False))
    reading = asyncio.ensure_future(play(runs, endpoint, "large", "greedy"))
    await settle()
    for number in range(3):
        await play(runs, answer(20_000), f"{number}", f"modest{number}")
    endpoint.go.set()
    assert len(await reading) == 60_000


STEPS = st.lists(
    st.tuples(
        st.sampled_from(["small", "large", "wide"]), st.integers(0, 5), st.sampled_from(["play", "desert", "run", "go"])
    ),
    max_size=60,
)


@given(STEPS)
async def test_an_owner_within_its_share_loses_nothing_to_others(steps: list[tuple[str, int, str]]) -> None:
    """`modest` keeps one answer and loses neither bytes nor entries, in every order in which three others come, run,
    leave and are answered; and nothing is counted that is not there."""
    keeping = Retention(memory=80_000, entries=12, largest=40_000, grace=60, grace_begun=60, deserted=3)
    runs, begun = SharedRuns(keeping), 0
    sizes = {"small": 100, "large": 30_000, "wide": 9_000}
    owned = answer(10_000)  # within a quarter of the room
    await play(runs, owned, "owned", "modest")
    waiting: list[tuple[Endpoint, asyncio.Future[bytes] | None]] = []
    for owner, number, what in steps:
        name, endpoint = f"{owner}{number}", Endpoint(START, piece(bytes(sizes[owner])), piece(b"", more=False))
        match what:
            case "play":
                endpoint.go.set()
                waiting.append((endpoint, asyncio.ensure_future(play(runs, endpoint, name, owner))))
            case "desert":
                await desert(runs, endpoint, name, owner)
                waiting.append((endpoint, None))
            case "run":
                waiting.append((endpoint, asyncio.ensure_future(play(runs, endpoint, name, owner))))
            case "go":
                for other, _ in waiting[number::6]:
                    other.go.set()
        await settle()
        assert await repeated(runs, "owned", "modest")
        entries = runs._entries.values()
        assert runs._memory.total == sum(entry.size for entry in entries) <= keeping.memory
        assert runs._counts.total == len(runs._runs) == len(entries) <= keeping.entries
        assert set(runs._owners) == {entry.owner for entry in entries}
        for name_, found in runs._owners.items():
            held = [run for stage in found.stages for run in stage]
            assert sorted(map(id, held)) == sorted(id(run) for run, one in runs._entries.items() if one.owner == name_)
    await play(runs, owned, "owned", "modest")
    begun = owned.begun
    await runs.close()
    await asyncio.gather(*(reading for _, reading in waiting if reading is not None), return_exceptions=True)
    assert begun == 1
    assert not runs._owners
    assert runs._memory.total == runs._counts.total == 0


def stream(count: int) -> Endpoint:
    """A stream of so many events, at once."""
    events: list[Message] = [{**piece(b"data: x\n\n"), EVENT_NUMBER: number} for number in range(count)]
    endpoint = Endpoint(STREAM, *events, piece(b"", more=False))
    endpoint.go.set()
    return endpoint


async def test_many_replays_leave_the_event_loop_to_others() -> None:
    runs = SharedRuns()
    run, _ = runs.join("a", "one", b"", stream(2000))
    await run.task
    iterations, sent = [0], Counter[int]()

    async def count_iterations() -> None:
        while True:
            iterations[0] += 1
            await asyncio.sleep(0)

    async def send(_message: Message) -> None:  # the client reads at once
        sent[iterations[0]] += 1

    counting = asyncio.create_task(count_iterations())
    await asyncio.sleep(0)
    await asyncio.gather(*(run.play(send, replayed=True) for _ in range(4)))
    counting.cancel()
    assert sent.total() == 4 * 2002
    first, *others = sorted(sent)
    assert sent[first] <= 4 * 64  # each connection begins at once
    assert max(sent[iteration] for iteration in others) <= 2 * 64
    await runs.close()


@pytest.mark.parametrize("after", [-1, 0, 1, 50, 98, 99])
async def test_a_resumed_stream_has_the_events_after_a_number(after: int) -> None:
    runs = SharedRuns()
    run, _ = runs.join("a", "one", b"", stream(100))
    await run.task
    numbers = list[int | None]()

    async def send(message: Message) -> None:
        numbers.append(message.get(EVENT_NUMBER))

    await run.play(send, replayed=True, after=after)
    assert numbers == [None, *range(after + 1, 100), None]
    await runs.close()
