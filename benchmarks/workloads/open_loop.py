"""Requests that arrive whether or not earlier ones are answered, as users do: a Poisson process."""

import asyncio
import random
import time
from dataclasses import dataclass
from typing import Final

from benchmarks.load.figures import summarise
from benchmarks.load.prompts import chat_request, question
from benchmarks.load.schedule import Arrival, Lengths, poisson
from benchmarks.load.stream import Stream, run_stream
from benchmarks.peers.peer import Peer
from benchmarks.workloads.workload import Figures, TextSize

NAME: Final = "open-loop"
_PATIENCE: Final = 8.0
"""Seconds after the last arrival. What is unfinished then has missed its goals: 64 tokens take 7.4 s at most."""


@dataclass(frozen=True, slots=True)
class OpenLoop:
    """`rate` requests per second for `seconds`, with lengths in tokens from `prompt` and `answer`."""

    rate: float
    seconds: float
    prompt: Lengths
    answer: Lengths

    @property
    def name(self) -> str:
        """By which its results are kept."""
        return f"{NAME}-{self.rate:g}"

    async def round(self, peer: Peer, size: TextSize, seed: int) -> Figures:
        """See `Workload.round`."""
        arrivals = poisson(self.rate, self.seconds, self.prompt, self.answer, seed)
        answers = [Stream() for _ in arrivals]
        begin = time.perf_counter()
        tasks = [
            asyncio.create_task(_send(peer, size, answer, arrival, seed + number))
            for number, (answer, arrival) in enumerate(zip(answers, arrivals, strict=True))
        ]
        if tasks:
            _, late = await asyncio.wait(tasks, timeout=self.seconds + _PATIENCE)
            for task in late:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)
        return summarise(answers, max(time.perf_counter() - begin, self.seconds)) | {"rate": self.rate}


async def _send(peer: Peer, size: TextSize, answer: Stream, arrival: Arrival, seed: int) -> None:
    await asyncio.sleep(arrival.at)
    text = question(random.Random(seed), size.words(arrival.prompt))
    await run_stream(answer, peer.url, peer.key, chat_request(peer.model, text, arrival.answer))
