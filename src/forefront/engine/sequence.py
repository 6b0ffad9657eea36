"""One continuation of one prompt: everything the scheduler and the sampler need to know of it."""

import random
from collections import Counter

from forefront.engine.blocks import extend_keys
from forefront.engine.generation import Generation
from forefront.engine.request import GenerateRequest


class Sequence:
    """A prompt and the tokens sampled so far, and how much of them is in the KV cache.

    `tokens` is prompt + answer. The first `computed` of them have their keys and values in `blocks`. `keys` names the
    full blocks in order. A preempted sequence keeps its tokens and its draws, so it goes on exactly where it was.
    """

    __slots__ = (
        "answer_counts",
        "blocks",
        "computed",
        "draws",
        "followers",
        "generation",
        "index",
        "keys",
        "prompt_length",
        "request",
        "started",
        "tokens",
    )

    def __init__(self, request: GenerateRequest, generation: Generation, index: int) -> None:
        self.request = request
        self.generation = generation
        self.index = index
        self.tokens = list(request.prompt)
        self.prompt_length = len(self.tokens)
        self.computed = 0
        self.blocks: list[int] = []
        self.keys: list[bytes] = []
        self.started = False
        self.answer_counts: Counter[int] = Counter()
        # The other continuations of the same prompt; they join once it has been computed.
        self.followers: list[Sequence] = []
        seed = request.sampling.seed
        self.draws = random.Random() if seed is None else random.Random(f"{seed}/{index}")  # noqa: S311

    @property
    def remaining(self) -> int:
        """How many tokens are known but not yet computed. One means that the sequence is decoding."""
        return len(self.tokens) - self.computed

    @property
    def answer_length(self) -> int:
        """How many tokens have been sampled."""
        return len(self.tokens) - self.prompt_length

    def append(self, token: int) -> str | None:
        """Take a sampled token; returns the finish reason if it is the last: `stop` or `length`."""
        self.tokens.append(token)
        self.answer_counts[token] += 1
        if token in self.request.stop_tokens:
            return "stop"
        return "length" if self.answer_length >= self.request.max_tokens else None

    def to_score(self, length: int) -> range:
        """Of the next `length` tokens to compute, the positions that say something new of the prompt's tokens."""
        if self.request.prompt_logprobs is None or self.index:
            return range(0)
        # The token at a position is scored by the one before it.
        scored = len(self.generation.prompt_scores) - 1
        return range(max(self.computed, scored), min(self.computed + length, self.prompt_length - 1))

    def extend_keys(self, size: int, upto: int) -> None:
        """Name the full blocks that lie within the first `upto` tokens."""
        extend_keys(self.keys, self.tokens, upto, size, self.request.salt)
