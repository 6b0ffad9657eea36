"""One stream whose answer quotes its prompt, as extraction, correction and copying do."""

import random
from dataclasses import dataclass
from pathlib import Path

import gguf

from benchmarks.load.figures import median_figures
from benchmarks.load.prompts import chat_request, quoting_question, token_request
from benchmarks.load.stream import CHAT, COMPLETIONS
from benchmarks.load.successor import cycle, quoting_prompt
from benchmarks.peers.peer import Peer
from benchmarks.workloads.workload import Figures, TextSize, run_together

NAME = "quoting"
_TASKS = 3


@dataclass(frozen=True, slots=True)
class Quoting:
    """Three requests, one after another. `successor`: the random model that quotes its prompt; None for a real one."""

    prompt: int
    answer: int
    successor: Path | None
    name: str = NAME

    async def round(self, peer: Peer, size: TextSize, seed: int) -> Figures:
        """See `Workload.round`."""
        chance = random.Random(seed)
        if self.successor is not None:
            tokens = cycle(gguf.GGUFReader(self.successor))
            prompts = [quoting_prompt(tokens, chance, self.prompt, self.answer) for _ in range(_TASKS)]
            requests = [token_request(peer.model, prompt, self.answer) for prompt in prompts]
        else:
            texts = [quoting_question(chance, size.words(self.prompt), task) for task in range(_TASKS)]
            requests = [chat_request(peer.model, text, self.answer) for text in texts]
        path = COMPLETIONS if self.successor is not None else CHAT
        return median_figures([await run_together(peer, [fields], path) for fields in requests])
