"""One continuation of one prompt: its tokens, its KV blocks and its sampling state."""

import random
from collections import abc

from forefront.engine.constraint import MAX_ROLLBACK, Constraint, Mask
from forefront.engine.errors import ConstraintError
from forefront.engine.generation import Generation
from forefront.engine.kv_blocks.block_pool import extend_block_hashes
from forefront.engine.kv_blocks.block_table import BlockTable
from forefront.engine.request import GenerateRequest, ResumedOutput
from forefront.engine.scheduling.token_counts import TokenCounts


class Sequence:
    """A prompt and its output.

    `tokens` is prompt + output. The keys and values of the first `num_computed_tokens` are in the blocks of
    `block_table`; the first `num_charged_tokens` have been computed at least once. `block_hashes` identify the full
    blocks in order. `queued_at`: the seconds of all steps before it came. A preempted sequence keeps its tokens, its
    random numbers and its constraint, so that it continues exactly where it was. An exception of the constraint is kept
    as `failure`. State that only a running sequence needs is created late, since thousands of sequences may wait.
    """

    __slots__ = (
        "_constraint_ahead",
        "_counts",
        "_rng",
        "_unused_uniforms",
        "block_hashes",
        "block_table",
        "constraint",
        "failure",
        "followers",
        "generation",
        "index",
        "num_charged_tokens",
        "num_computed_tokens",
        "num_prompt_tokens",
        "queued_at",
        "request",
        "started",
        "tokens",
    )

    def __init__(self, request: GenerateRequest, generation: Generation, index: int) -> None:
        self.request = request
        self.generation = generation
        self.index = index
        self.tokens = list(request.prompt)
        self.num_prompt_tokens = len(self.tokens)
        self.num_computed_tokens = self.num_charged_tokens = 0
        self.block_table = BlockTable()
        self.block_hashes: list[bytes] = []
        self.queued_at = 0.0
        self.started = False
        self.constraint: Constraint | None = None
        self.failure: ConstraintError | None = None
        # The other continuations of the same prompt, until that is computed.
        self.followers: list[Sequence] = []
        self._constraint_ahead: list[int] = []  # draft tokens that the constraint has accepted
        self._counts: TokenCounts | None = None
        self._rng: random.Random | None = None
        self._unused_uniforms: list[float] = []

    @classmethod
    def resume(cls, request: GenerateRequest, generation: Generation, resumed: ResumedOutput) -> "Sequence":
        """A continuation that begins with tokens sampled by another engine."""
        sequence = cls(request, generation, resumed.index)
        sequence.tokens += resumed.tokens
        sequence.constraint = resumed.constraint
        sequence.started = True
        if request.sampling.temperature:
            # Each token took one random number.
            for _ in resumed.tokens:
                sequence.rng.random()
        return sequence

    def start(self) -> None:
        """Create the constraint, before the first token."""
        if self.started:
            return
        self.started = True
        if self.request.constraint is not None:
            try:
                self.constraint = self.request.constraint()
            except Exception as error:
                self._fail(error)

    def create_followers(self) -> list["Sequence"]:
        """The other continuations of the request, ready to join."""
        self.followers = [Sequence(self.request, self.generation, index) for index in range(1, self.request.n)]
        for follower in self.followers:
            follower.queued_at = self.queued_at
            follower.start()
        return self.followers

    @property
    def rng(self) -> random.Random:
        """The generator of the sequence's random numbers."""
        if self._rng is None:
            seed = self.request.sampling.seed
            self._rng = random.Random() if seed is None else random.Random(f"{seed}/{self.index}")  # noqa: S311
        return self._rng

    @rng.setter
    def rng(self, rng: random.Random) -> None:
        self._rng = rng

    def take_uniforms(self, count: int) -> list[float]:
        """The next `count` random numbers from [0, 1). Unused ones are given back."""
        taken, self._unused_uniforms = self._unused_uniforms[:count], self._unused_uniforms[count:]
        return taken + [self.rng.random() for _ in range(count - len(taken))]

    def give_back_uniforms(self, uniforms: list[float]) -> None:
        """Return the last numbers taken, which come next again. A draft thus leaves the output of a seed unchanged."""
        self._unused_uniforms = uniforms + self._unused_uniforms

    @property
    def num_uncomputed_tokens(self) -> int:
        """Known tokens that are not in the KV cache. One means that the sequence is decoding."""
        return len(self.tokens) - self.num_computed_tokens

    @property
    def num_output_tokens(self) -> int:
        """Tokens that have been sampled."""
        return len(self.tokens) - self.num_prompt_tokens

    @property
    def tokens_left(self) -> int:
        """Tokens that may still be sampled."""
        return self.request.max_tokens + self.num_prompt_tokens - len(self.tokens)

    @property
    def decoding(self) -> bool:
        """Whether one known token is left to compute, after others. Meaningful for a running sequence."""
        return len(self.tokens) == self.num_computed_tokens + 1 and self.num_computed_tokens > 0

    @property
    def token_counts(self) -> TokenCounts:
        """The tokens so far, counted. Built when first used, then kept up to date."""
        if self._counts is None:
            self._counts = TokenCounts(self.request.prompt, self.tokens[self.num_prompt_tokens :])
        return self._counts

    @property
    def ended(self) -> bool:
        """Whether only a stop token could follow, so that the model need not run."""
        if self.constraint is None or self.failure is not None or self._constraint_ahead:
            return False
        return self.constraint.ended

    def masks(self, draft: abc.Sequence[int] = ()) -> list[Mask | None]:
        """The tokens allowed next, and after each further token of `draft` as far as the constraint accepts it; None
        where all are allowed. Empty after a failure. `append` rolls back accepted draft tokens that sampling did not
        confirm."""
        constraint = self.constraint
        if constraint is None or self.failure is not None:
            return []
        try:
            mask = constraint.mask(self.tokens_left)
            if mask is not None and not mask.any():
                self.failure = ConstraintError("the constraint leaves no token")
                return []
            masks = [mask]
            for place, token in enumerate(draft[:MAX_ROLLBACK], start=1):
                mask = masks[-1]
                if mask is not None:
                    # The constraint writes the next mask to the same memory.
                    masks[-1] = mask = mask.copy()
                    if not is_allowed(mask, token):
                        break
                if not self._accept_ahead(constraint, token, self.tokens_left - place + 1) or constraint.ended:
                    break
                masks.append(constraint.mask(self.tokens_left - place))
            return masks
        except Exception as error:
            self._fail(error)
            return []

    def forced_tokens(self) -> abc.Sequence[int]:
        """See `Constraint.forced`; empty without a constraint."""
        if self.constraint is None or self.failure is not None or self._constraint_ahead:
            return ()
        try:
            return self.constraint.forced()
        except Exception as error:
            self._fail(error)
            return ()

    def append(self, token: int) -> tuple[int, str | None]:
        """Append a sampled token. Returns the appended token, which the constraint may have replaced, and the finish
        reason if it is the last: `stop` or `length`."""
        forced = False
        if self.constraint is not None:
            try:
                token = self._accept(self.constraint, token)
                forced = self.constraint.forced_finish
            except Exception as error:
                self._fail(error)
        self.tokens.append(token)
        if self._counts is not None:
            self._counts.add(token)
        if token in self.request.stop_tokens:
            return token, "length" if forced else "stop"
        return token, "length" if self.tokens_left <= 0 or (forced and self.ended) else None

    def _accept(self, constraint: Constraint, token: int) -> int:
        ahead = self._constraint_ahead
        if ahead and ahead[0] == token:
            del ahead[0]
            return token
        if ahead:
            constraint.rollback(len(ahead))
            ahead.clear()
        return constraint.accept(token, self.tokens_left)

    def _accept_ahead(self, constraint: Constraint, token: int, tokens_left: int) -> bool:
        """Let the constraint accept a token of a draft; whether it accepted exactly that token."""
        if token in self.request.stop_tokens:
            return False
        if constraint.accept(token, tokens_left) != token:
            constraint.rollback(1)
            return False
        self._constraint_ahead.append(token)
        return True

    def _fail(self, cause: Exception) -> None:
        self.failure = ConstraintError("the constraint failed")
        self.failure.__cause__ = cause

    def prompt_positions_to_score(self, count: int) -> range:
        """Of the next `count` tokens to compute, the positions whose logits score a prompt token for the first time."""
        if self.request.prompt_logprobs is None or self.index:
            return range(0)
        # The token at a position is scored by the logits of the position before it.
        scored = len(self.generation.prompt_scores) - 1
        end = min(self.num_computed_tokens + count, self.num_prompt_tokens - 1)
        return range(max(self.num_computed_tokens, scored), end)

    def extend_block_hashes(self, block_size: int, end: int) -> None:
        """Hash the full blocks within the first `end` tokens that are not hashed yet."""
        extend_block_hashes(self.block_hashes, self.tokens, end, block_size, self.request.tenant.salt)


def is_allowed(mask: Mask, token: int) -> bool:
    """Whether the mask has the token."""
    word = token >> 5
    return word < len(mask) and bool(mask[word] >> (token & 31) & 1)
