"""Conversations of several turns over one system prompt: how much of them a server finds in its cache."""

import asyncio
import random
import time
from dataclasses import dataclass
from typing import Final

from benchmarks.load.figures import summarise
from benchmarks.load.prompts import chat_request, passage, question
from benchmarks.load.stream import Stream, stream
from benchmarks.peers.peer import Peer
from benchmarks.workloads.workload import Figures, TextSize

NAME: Final = "conversations"


@dataclass(frozen=True, slots=True)
class Conversations:
    """`count` conversations at a time of `turns` turns each, over one system prompt of `system` tokens."""

    count: int
    turns: int
    system: int
    question: int
    answer: int
    name: str = NAME

    async def round(self, peer: Peer, size: TextSize, seed: int) -> Figures:
        """See `Workload.round`."""
        chance = random.Random(seed)
        system = {"role": "system", "content": passage(chance, size.words(self.system))}
        seeds = [chance.random() for _ in range(self.count)]
        begin = time.perf_counter()
        talks = await asyncio.gather(*(self._talk(peer, size, system, random.Random(each)) for each in seeds))
        seconds = time.perf_counter() - begin
        return summarise([answer for talk in talks for answer in talk], seconds)

    async def _talk(self, peer: Peer, size: TextSize, system: dict[str, str], chance: random.Random) -> list[Stream]:
        messages, answers = [system], []
        for _ in range(self.turns):
            messages.append({"role": "user", "content": question(chance, size.words(self.question))})
            answer = await stream(peer.url, peer.key, chat_request(peer.model, messages, self.answer))
            messages.append({"role": "assistant", "content": answer.text})
            answers.append(answer)
        return answers
