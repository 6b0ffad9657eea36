"""One continuation of one prompt: everything the scheduler and the sampler need to know of it."""

import random
from collections import Counter

from forefront.engine.errors import ConstraintError
from forefront.engine.generation import Generation
from forefront.engine.request import GenerateRequest
from forefront.engine.sampling.constraint import Constraint, Mask
from forefront.engine.scheduling.block_pool import extend_keys


class Sequence:
    """A prompt and the tokens sampled so far, and how much of them is in the KV cache.

    `tokens` is prompt + answer. The first `computed` of them have their keys and values in `blocks`; the first
    `charged` have been computed at least once. `keys` names the full blocks in order. A preempted sequence keeps its
    tokens and its draws, so it goes on exactly where it was. Likewise `constraint`, which has accepted the answer's
    tokens; what it raises is kept as `failure`. What only a running sequence needs is made late: thousands may wait.
    """

    __slots__ = (
        "_draws",
        "answer_counts",
        "blocks",
        "charged",
        "computed",
        "constraint",
        "failure",
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
        self.computed = self.charged = 0
        self.blocks: list[int] = []
        self.keys: list[bytes] = []
        self.started = False
        self.answer_counts: Counter[int] = Counter()
        self.constraint: Constraint | None = None
        self.failure: ConstraintError | None = None
        self._draws: random.Random | None = None
        # The other continuations of the same prompt. They are made, and join, once it has been computed.
        self.followers: list[Sequence] = []

    def begin(self) -> None:
        """Start the constraint, before the first token."""
        if self.started:
            return
        self.started = True
        if self.request.constraint is not None:
            try:
                self.constraint = self.request.constraint()
            except Exception as error:
                self._fail(error)

    def make_followers(self) -> list["Sequence"]:
        """The other continuations of the request, ready to join."""
        self.followers = [Sequence(self.request, self.generation, index) for index in range(1, self.request.n)]
        for follower in self.followers:
            follower.begin()
        return self.followers

    @property
    def draws(self) -> random.Random:
        """Where the sequence's random numbers come from."""
        if self._draws is None:
            seed = self.request.sampling.seed
            self._draws = random.Random() if seed is None else random.Random(f"{seed}/{self.index}")  # noqa: S311
        return self._draws

    @draws.setter
    def draws(self, draws: random.Random) -> None:
        self._draws = draws

    @property
    def remaining(self) -> int:
        """How many tokens are known but not yet computed. One means that the sequence is decoding."""
        return len(self.tokens) - self.computed

    @property
    def answer_length(self) -> int:
        """How many tokens have been sampled."""
        return len(self.tokens) - self.prompt_length

    @property
    def left(self) -> int:
        """How many tokens may still be sampled."""
        return self.request.max_tokens - self.answer_length

    @property
    def ended(self) -> bool:
        """Whether only a stop token could follow, so that there is nothing to ask the model."""
        return self.failure is None and self.constraint is not None and self.constraint.ended

    def mask(self) -> Mask | None:
        """The tokens that may come next; None for all, and after a failure."""
        if self.constraint is None:
            return None
        try:
            mask = self.constraint.mask(self.left)
            if mask is None or mask.any():
                return mask
            self.failure = ConstraintError("the constraint leaves no token")
        except Exception as error:
            self._fail(error)
        return None

    def append(self, token: int) -> tuple[int, str | None]:
        """Take a sampled token; returns the one that was taken (the constraint may put another in its place) and, if
        it is the last, the finish reason: `stop` or `length`."""
        if self.constraint is not None:
            try:
                token = self.constraint.accept(token, self.left)
            except Exception as error:
                self._fail(error)
        self.tokens.append(token)
        self.answer_counts[token] += 1
        steered = self.constraint is not None and self.constraint.steered
        if token in self.request.stop_tokens:
            return token, "length" if steered else "stop"
        return token, "length" if self.left <= 0 or (steered and self.ended) else None

    def _fail(self, cause: Exception) -> None:
        self.failure = ConstraintError("the constraint failed")
        self.failure.__cause__ = cause

    def to_score(self, length: int) -> range:
        """Of the next `length` tokens to compute, the positions that say something new of the prompt's tokens."""
        if self.request.prompt_logprobs is None or self.index:
            return range(0)
        # The token at a position is scored by the one before it.
        scored = len(self.generation.prompt_scores) - 1
        return range(max(self.computed, scored), min(self.computed + length, self.prompt_length - 1))

    def extend_keys(self, size: int, upto: int) -> None:
        """Name the full blocks that lie within the first `upto` tokens."""
        extend_keys(self.keys, self.tokens, upto, size, self.request.tenant.salt)
