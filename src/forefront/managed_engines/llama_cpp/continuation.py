"""One continuation of a prompt that llama.cpp samples and this process checks.

llama.cpp samples freely. Each token is checked against the constraint here. In place of the first refused token,
llama.cpp draws one of the allowed tokens, and continues after it. This is rejection sampling: without `top_p`, `top_k`
and `min_p` the result has the distribution of constrained sampling. With them, llama.cpp takes its most likely tokens
before the constraint, and from the allowed ones only after a refusal.
"""

import random
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from enum import Enum, auto
from typing import Any, Final, NamedTuple

import numpy as np

from forefront.engine.generation import Generation, Logprob, Token
from forefront.engine.request import GenerateRequest
from forefront.engine.scheduling.sequence import Sequence as TokenSequence
from forefront.engine.scheduling.sequence import is_allowed
from forefront.managed_engines.llama_cpp.completions import CompletionEvent, TokenProbability, sampling_fields
from forefront.managed_engines.llama_cpp.hidden_tokens import PieceIndex

# A bias that excludes all other tokens. A larger bias would round the differences between the logits.
_ONLY: Final = 1000
# Tokens that are sampled one by one after the last of several refused ones.
_MAX_STEPS: Final = 16
# The log-probability of tokens for which llama.cpp reports none.
_UNKNOWN: Final = -9999.0


class Candidate(NamedTuple):
    """A token that llama.cpp sampled, with its log-probability and the most likely alternatives if requested."""

    token: int
    logprob: float = 0.0
    top: tuple[Logprob, ...] = ()


class Outcome(Enum):
    """The next action after candidates were accepted: continue the stream, send another request, or end."""

    CONTINUES = auto()
    DIVERGED = auto()
    FINISHED = auto()


@dataclass(frozen=True, slots=True)
class AcceptedTokens:
    """Tokens that belong to the continuation, and what follows."""

    tokens: list[Token]
    outcome: Outcome


class Continuation:
    """Continuation number `index` of a request. `steps_due`: tokens that are sampled one by one before the next stream,
    because the constraint is expected to refuse what a stream brings. `overflowed`: the KV cache was full, so that it
    runs alone. `cache_known`: the number of cached tokens of the prompt has been reported."""

    def __init__(self, request: GenerateRequest, generation: Generation, index: int, pieces: PieceIndex) -> None:
        self.request, self.generation = request, generation
        self.sequence = TokenSequence(request, generation, index)
        self.steps_due = 0
        self.overflowed = self.cache_known = False
        self._pieces = pieces
        self._last_refusal = -_MAX_STEPS
        self._refusals = 0

    def failed(self) -> bool:
        """Whether the constraint failed; see `Sequence.failure`."""
        return self.sequence.failure is not None

    def start(self) -> None:
        """Create the constraint. Takes time that grows with its grammar."""
        self.sequence.start()

    def stream_body(self, slot: int, *, cache: bool) -> dict[str, Any]:
        """The request for a stream from here to the token limit."""
        return {**self._body(slot, cache=cache), "n_predict": self.sequence.tokens_left, "return_progress": True}

    def candidates(self, event: CompletionEvent, seen: int) -> list[Candidate] | None:
        """The tokens of a stream's event, of which `seen` came before. None if some cannot be found in the event."""
        hidden = event.tokens_predicted - seen - len(event.tokens)
        tokens = event.tokens
        if hidden > 0:
            found = self._pieces.split(event.content.encode(), event.tokens, hidden)
            if found is None:
                return None
            tokens = [*found, *event.tokens]
        return self._scored(tokens, event.completion_probabilities)

    def step_body(self, slot: int, *, cache: bool) -> dict[str, Any] | Candidate:
        """The request for one token that the constraint allows, or the only such token. Not to be called after a
        failure of the constraint."""
        masks = self.sequence.masks()
        body = {**self._body(slot, cache=cache), "n_predict": 1}
        if not masks or masks[0] is None:
            return body
        bits = np.unpackbits(masks[0].view(np.uint8), bitorder="little")
        allowed = np.flatnonzero(bits)
        if len(allowed) == 1 and self.request.sampling.top_logprobs is None:
            return Candidate(int(allowed[0]))
        body["logit_bias"] = self._bias(allowed.tolist(), np.flatnonzero(bits == 0).tolist())
        return body

    def step_candidates(self, answer: CompletionEvent) -> list[Candidate]:
        """The tokens of a whole answer."""
        return self._scored(answer.tokens, answer.completion_probabilities)

    def take(self, candidates: Iterable[Candidate]) -> AcceptedTokens:
        """Check sampled tokens and append them. Takes time that grows with the constraint's grammar."""
        sequence, tokens = self.sequence, list[Token]()
        for candidate in candidates:
            masks = sequence.masks()
            if self.failed():
                return AcceptedTokens(tokens, Outcome.FINISHED)
            if masks and masks[0] is not None and not is_allowed(masks[0], candidate.token):
                self._refused()
                return AcceptedTokens(tokens, Outcome.DIVERGED)
            token, finish = sequence.append(candidate.token)
            if self.failed():
                return AcceptedTokens(tokens, Outcome.FINISHED)
            tokens.append(Token(sequence.index, token, finish, candidate.logprob, candidate.top))
            if finish:
                return AcceptedTokens(tokens, Outcome.FINISHED)
            if sequence.ended:
                tokens.append(Token(sequence.index, min(self.request.stop_tokens), "stop"))
                return AcceptedTokens(tokens, Outcome.FINISHED)
            if token != candidate.token:  # the answer is being completed before the token limit
                self.steps_due = sequence.tokens_left
                return AcceptedTokens(tokens, Outcome.DIVERGED)
        return AcceptedTokens(tokens, Outcome.CONTINUES)

    def _refused(self) -> None:
        """After a refused token one step is due, and more if others were refused shortly before."""
        place = self.sequence.num_output_tokens
        self._refusals = min(self._refusals + 1, _MAX_STEPS) if place - self._last_refusal <= _MAX_STEPS else 1
        self._last_refusal = place
        self.steps_due = self._refusals

    def _body(self, slot: int, *, cache: bool) -> dict[str, Any]:
        sequence, sampling = self.sequence, self.request.sampling
        # Every request draws other random numbers, and the same ones for the same seed and place.
        place = f"{sampling.seed}/{sequence.index}/{len(sequence.tokens)}"
        source = random.Random(None if sampling.seed is None else place)  # noqa: S311
        return {
            **sampling_fields(sampling, source.getrandbits(32), len(sequence.tokens) + sequence.tokens_left),
            "prompt": sequence.tokens,
            "id_slot": slot,
            "cache_prompt": cache,
            "return_tokens": True,
        }

    def _bias(self, allowed: Sequence[int], forbidden: Sequence[int]) -> list[list[float | bool]]:
        """The bias that leaves the allowed tokens. A repetition penalty would divide a positive one."""
        own = self.request.sampling.logit_bias
        if len(allowed) < len(forbidden) and self.request.sampling.repetition_penalty == 1:
            return [[token, own.get(token, 0) + _ONLY] for token in allowed]
        biases: list[list[float | bool]] = [[token, bias] for token, bias in own.items()]
        biases += [[token, False] for token in forbidden]
        return biases

    def _scored(self, tokens: Sequence[int], scores: Sequence[TokenProbability]) -> list[Candidate]:
        """The tokens with their log-probabilities. Those within a character have none."""
        wanted = self.request.sampling.top_logprobs
        if wanted is None:
            return [Candidate(token) for token in tokens]
        unscored = len(tokens) - len(scores)
        candidates = [Candidate(token, _UNKNOWN) for token in tokens[:unscored]]
        for token, score in zip(tokens[unscored:], scores[-len(tokens) :], strict=False):
            top = tuple(Logprob(other.id, other.logprob) for other in score.top_logprobs[:wanted])
            candidates.append(Candidate(token, score.logprob, top))
        return candidates
