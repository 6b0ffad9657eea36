"""Clients that each send one request at a time, all begun together: different prompts, answers of equal length."""

import random
from dataclasses import dataclass

from benchmarks.load.prompts import chat_request, question
from benchmarks.peers.peer import Peer
from benchmarks.workloads.workload import Figures, TextSize, run_together


@dataclass(frozen=True, slots=True)
class ClosedLoop:
    """`streams` clients with prompts of `prompt` tokens and answers of `answer` tokens."""

    streams: int
    prompt: int
    answer: int

    @property
    def name(self) -> str:
        """By which its results are kept."""
        return f"closed-{self.streams}"

    async def round(self, peer: Peer, size: TextSize, seed: int) -> Figures:
        """See `Workload.round`."""
        chance = random.Random(seed)
        prompts = [question(chance, size.words(self.prompt)) for _ in range(self.streams)]
        return await run_together(peer, [chat_request(peer.model, prompt, self.answer) for prompt in prompts])
