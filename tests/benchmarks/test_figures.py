"""Percentiles, goodput, arrivals and the roofline of the benchmarks."""

import asyncio
import itertools
import json
import math
import statistics
from collections.abc import Sequence

import numpy as np
import pytest

from benchmarks.limits.roofline import Limits
from benchmarks.load.figures import is_good, percentile, summarise
from benchmarks.load.schedule import Lengths, poisson
from benchmarks.load.stream import Stream, run_stream, stream


def answer(first: float, gaps: Sequence[float], *, ended: bool = True) -> Stream:
    """A stream that began at second 5."""
    arrivals = list(itertools.accumulate(gaps, initial=5 + first))
    return Stream(started=5.0, ended=ended, arrivals=arrivals, tokens=len(arrivals), prompt_tokens=10)


@pytest.mark.parametrize("count", [1, 2, 3, 10, 101])
@pytest.mark.parametrize("part", [0.0, 0.5, 0.95, 0.99, 1.0])
def test_percentiles_are_those_of_numpy(count: int, part: float) -> None:
    values = np.random.default_rng(count).lognormal(size=count).tolist()
    assert percentile(values, part) == pytest.approx(np.percentile(values, 100 * part))


def test_no_values_have_no_percentile() -> None:
    assert math.isnan(percentile([], 0.5))


@pytest.mark.parametrize(
    ("stream", "good"),
    [
        (answer(1.0, [0.1] * 20), True),
        (answer(1.01, [0.01] * 20), False),
        (answer(0.1, [0.2] * 20), False),
        (answer(0.1, [0.01] * 99 + [5.0]), True),  # one pause in a hundred is beyond the 95th percentile
        (answer(0.1, [0.01] * 9 + [5.0]), False),
        (answer(0.1, []), True),
        (answer(0.1, [0.01], ended=False), False),
        (Stream(started=5.0, ended=True), False),
    ],
)
def test_an_answer_is_good_within_both_goals(stream: Stream, good: bool) -> None:
    assert is_good(stream) is good


def test_the_figures_of_a_round() -> None:
    figures = summarise([answer(0.5, [0.1, 0.1]), answer(2.0, [0.1]), Stream(started=5.0)], 4.0)
    assert figures["requests"] == 3
    assert figures["failed"] == 1
    assert figures["throughput"] == pytest.approx(5 / 4)
    assert figures["good"] == pytest.approx(1 / 3)
    assert figures["goodput"] == pytest.approx(1 / 4)
    assert figures["first_token_p50"] == pytest.approx(1.25)
    assert figures["gap_p99"] == pytest.approx(0.1)


def test_arrivals_are_a_poisson_process_with_bounded_lengths() -> None:
    rate, seconds = 50.0, 200.0
    arrivals = poisson(rate, seconds, Lengths(64, 0.7, 24, 600), Lengths(32, 0.5, 8, 96), seed=1)
    times = [arrival.at for arrival in arrivals]
    pauses = [after - before for before, after in itertools.pairwise([0.0, *times])]
    assert times == sorted(times)
    assert times[-1] < seconds
    assert len(times) == pytest.approx(rate * seconds, rel=0.05)
    # An exponential distribution: the deviation is the mean, and 1/e of the pauses are longer than it.
    assert statistics.stdev(pauses) == pytest.approx(1 / rate, rel=0.1)
    assert sum(pause > 1 / rate for pause in pauses) / len(pauses) == pytest.approx(1 / math.e, rel=0.1)
    prompts = [arrival.prompt for arrival in arrivals]
    assert (min(prompts), max(prompts)) == (24, 600)
    assert statistics.median(prompts) == pytest.approx(64, rel=0.1)


def test_every_peer_gets_the_same_arrivals() -> None:
    lengths = Lengths(64, 0.7, 24, 600)
    assert poisson(5, 10, lengths, lengths, seed=3) == poisson(5, 10, lengths, lengths, seed=3)
    assert poisson(5, 10, lengths, lengths, seed=3) != poisson(5, 10, lengths, lengths, seed=4)


async def test_a_stream_is_read_in_any_pieces() -> None:
    events = [
        {"choices": [{"delta": {"role": "assistant", "content": None}}]},
        *({"choices": [{"delta": {"content": text}}]} for text in ("one\n", "data: {", "[DONE]")),
        {"choices": [], "usage": {"prompt_tokens": 4, "completion_tokens": 7}},
    ]
    body = b"".join(b"data: " + json.dumps(event).encode() + b"\n\n" for event in events) + b"data: [DONE]\n\n"

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        writer.write(b"HTTP/1.1 200 OK\r\n\r\n")
        for first in range(0, len(body), 7):
            writer.write(body[first : first + 7])
            await writer.drain()
            await asyncio.sleep(0)
        writer.close()

    server = await asyncio.start_server(serve, "127.0.0.1", 0)
    async with server:
        result = await stream(f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}", "key", {})
    assert result.text == "one\ndata: {[DONE]"
    assert (len(result.arrivals), result.tokens, result.prompt_tokens) == (3, 7, 4)
    assert result.arrivals == sorted(result.arrivals)


async def test_a_failed_stream_is_reported() -> None:
    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        writer.write(b'HTTP/1.1 503 Service Unavailable\r\n\r\n{"error": "busy"}')
        writer.close()

    async with await asyncio.start_server(serve, "127.0.0.1", 0) as server:
        url = f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}"
        with pytest.raises(RuntimeError, match=r"503.*busy"):
            await stream(url, "key", {})
        result = Stream()
        await run_stream(result, url, "key", {})
    assert (result.status, result.ended, is_good(result)) == (503, False, False)


def test_the_roofline_bounds_memory_and_products() -> None:
    limits = Limits(
        bandwidth=10e9, int8=400e9, int8_batch=100e9, float32=50e9, weight_bytes=500_000_000,
        layer_operations=0.8e9, output_operations=0.2e9,
    )  # fmt: skip
    assert limits.decode_rate(1) == pytest.approx(20)
    assert limits.decode_rate(20) == pytest.approx(400)  # both limits meet
    assert limits.decode_rate(64) == pytest.approx(400)
    assert limits.prefill_rate() == pytest.approx(500)
    assert limits.round_seconds(2, 500, 40) == pytest.approx(1 + 20 / 20)
