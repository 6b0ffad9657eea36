"""The interface of a workload."""

import asyncio
import random
import time
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Protocol

from benchmarks.load.figures import summarise
from benchmarks.load.prompts import chat_request, passage
from benchmarks.load.stream import CHAT, Stream, stream
from benchmarks.peers.peer import Peer

Figures = dict[str, float]


@dataclass(frozen=True, slots=True)
class TextSize:
    """Tokens of the model's vocabulary for a word of the prompts, and those of the chat template."""

    tokens_per_word: float
    template_tokens: float

    def words(self, tokens: int) -> int:
        """The number of words that make a prompt of about so many tokens."""
        return max(round((tokens - self.template_tokens) / self.tokens_per_word), 1)


class Workload(Protocol):
    """One kind of load. Equal seeds give every peer the same requests."""

    @property
    def name(self) -> str:
        """By which its results are kept."""

    async def round(self, peer: Peer, size: TextSize, seed: int) -> Figures: ...


async def measure_text_size(peer: Peer) -> TextSize:
    """By the peer's usage for a short and a long prompt."""
    few, many = 20, 220
    counts = []
    for words in (few, many):
        answer = await stream(peer.url, peer.key, chat_request(peer.model, passage(random.Random(words), words), 1))
        counts.append(answer.prompt_tokens)
    each = (counts[1] - counts[0]) / (many - few)
    return TextSize(each, counts[0] - few * each)


async def run_together(peer: Peer, requests: Sequence[dict[str, Any]], path: str = CHAT) -> Figures:
    """Send all requests at once, and read all answers."""
    begin = time.perf_counter()
    jobs = (stream(peer.url, peer.key, fields, path) for fields in requests)
    answers: list[Stream] = list(await asyncio.gather(*jobs))
    return summarise(answers, time.perf_counter() - begin)
