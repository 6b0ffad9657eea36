"""Streams that decode while long prompts arrive: how far the prompts hold them up."""

import asyncio
import random
import time
from contextlib import suppress
from dataclasses import dataclass
from typing import Final

from benchmarks.load.figures import percentile, summarise
from benchmarks.load.prompts import chat_request, passage, question
from benchmarks.load.stream import Stream, run_stream, stream
from benchmarks.peers.peer import Peer
from benchmarks.workloads.workload import Figures, TextSize

NAME: Final = "long-prompts"
_SHORT: Final = 48


@dataclass(frozen=True, slots=True)
class LongPrompts:
    """`streams` streams decode for `pause` seconds. Then `count` prompts of `prompt` tokens arrive, one each `interval`
    seconds. `answer`: tokens of the streams, more than any server writes before the prompts are done."""

    streams: int
    count: int
    prompt: int
    interval: float
    pause: float = 1.0
    answer: int = 2000
    name: str = NAME

    async def round(self, peer: Peer, size: TextSize, seed: int) -> Figures:
        """See `Workload.round`. The gaps are those of the streams, the times to first token those of the prompts."""
        chance = random.Random(seed)
        answers = [Stream() for _ in range(self.streams)]
        texts = [question(chance, size.words(_SHORT)) for _ in answers]
        requests = [chat_request(peer.model, text, self.answer) for text in texts]
        decoding = [
            asyncio.create_task(run_stream(answer, peer.url, peer.key, fields))
            for answer, fields in zip(answers, requests, strict=True)
        ]
        try:
            while not all(answer.events for answer in answers):
                _raise_failure(decoding)
                await asyncio.sleep(0.01)
            await asyncio.sleep(self.pause)
            begin = time.perf_counter()
            long = await asyncio.gather(*(self._send(peer, size, chance, number) for number in range(self.count)))
            end = time.perf_counter()
            _raise_failure(decoding)
        finally:
            for task in decoding:
                task.cancel()
            with suppress(asyncio.CancelledError):
                await asyncio.gather(*decoding, return_exceptions=True)
        gaps = [gap for answer in answers for gap in _gaps_within(answer, begin, end)]
        figures = summarise(long, end - begin)
        return figures | {f"gap_p{part}": percentile(gaps, part / 100) for part in (50, 95, 99)}

    async def _send(self, peer: Peer, size: TextSize, chance: random.Random, number: int) -> Stream:
        text = passage(chance, size.words(self.prompt))
        await asyncio.sleep(number * self.interval)
        return await stream(peer.url, peer.key, chat_request(peer.model, text, 1))


def _raise_failure(tasks: list[asyncio.Task[bytes]]) -> None:
    for task in tasks:
        if task.done() and not task.cancelled():
            raise RuntimeError(f"a stream ended before the prompts were done: {task.exception() or task.result()!r}")


def _gaps_within(answer: Stream, begin: float, end: float) -> list[float]:
    """The gaps that overlap the time from `begin` to `end`, that to the first arrival after it included."""
    pairs = zip(answer.arrivals, answer.arrivals[1:], strict=False)
    gaps = [after - before for before, after in pairs if after > begin and before < end]
    unfinished = end - answer.arrivals[-1]  # a stream that did not continue before the end
    return [*gaps, unfinished] if unfinished > 0 else gaps
