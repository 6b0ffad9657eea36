"""Token counts: an upstream's own if they are plausible, else estimates."""

from collections.abc import Sequence
from typing import Any, Final

import msgspec

# Tokens that a server may add to a prompt for its own instructions.
_ADDED: Final = 65_536


class UpstreamUsage(msgspec.Struct, frozen=True):
    """Tokens of a prompt and of its answer. `predicted`: accepted and rejected tokens of the request's prediction."""

    prompt: int
    output: int
    cached: int = 0
    reasoning: int = 0
    predicted: tuple[int, int] = (0, 0)

    def within(self, prompt: int, output: int) -> "UpstreamUsage":
        """The counts, limited to these bounds."""
        output = min(self.output, output)
        return UpstreamUsage(min(self.prompt, prompt), output, self.cached, min(self.reasoning, output))


class _Details(msgspec.Struct):
    cached_tokens: int = 0
    reasoning_tokens: int = 0
    accepted_prediction_tokens: int = 0
    rejected_prediction_tokens: int = 0


class _Usage(msgspec.Struct):
    """A usage in the form that most servers send."""

    prompt_tokens: int
    completion_tokens: int
    prompt_tokens_details: _Details | None = None
    completion_tokens_details: _Details | None = None


_decode_usual = msgspec.json.Decoder(_Usage).decode


def read_usage(raw: msgspec.Raw, prompt_bound: int, output_bound: int) -> UpstreamUsage | None:
    """The counts of an upstream's usage, under either naming; None without plausible counts. The bounds are the maximum
    counts of the request.
    """
    most_prompt, most_output = 2 * prompt_bound + _ADDED, 2 * output_bound
    try:
        usual = _decode_usual(raw)
    except (msgspec.DecodeError, RecursionError, UnicodeDecodeError):
        return _read_unusual(raw, most_prompt, most_output)
    prompt, output = usual.prompt_tokens, usual.completion_tokens
    shown, sampled = usual.prompt_tokens_details, usual.completion_tokens_details
    if shown is None or sampled is None or not (0 < prompt <= most_prompt and 0 <= output <= most_output):
        return _read_unusual(raw, most_prompt, most_output)
    cached, reasoning = max(shown.cached_tokens, 0), max(sampled.reasoning_tokens, 0)
    predicted = sampled.accepted_prediction_tokens, sampled.rejected_prediction_tokens
    return UpstreamUsage(prompt, output, min(cached, prompt), min(reasoning, output), _predicted(*predicted, output))


def _predicted(accepted: int, rejected: int, output: int) -> tuple[int, int]:
    """Counts of a prediction, limited to plausible values."""
    return min(max(accepted, 0), output), min(max(rejected, 0), 2**31)


def _read_unusual(raw: msgspec.Raw, most_prompt: int, most_output: int) -> UpstreamUsage | None:
    try:
        usage = msgspec.json.decode(raw)
    except (msgspec.DecodeError, RecursionError, UnicodeDecodeError):
        return None
    if not isinstance(usage, dict):
        return None
    prompt = _count(usage, ("prompt_tokens", "input_tokens"), most_prompt)
    output = _count(usage, ("completion_tokens", "output_tokens"), most_output)
    if not prompt or output is None:
        return None
    cached = _detail(usage, ("prompt_tokens_details", "input_tokens_details"), "cached_tokens")
    details = ("completion_tokens_details", "output_tokens_details")
    reasoning, accepted, rejected = (
        _detail(usage, details, name)
        for name in ("reasoning_tokens", "accepted_prediction_tokens", "rejected_prediction_tokens")
    )
    predicted = _predicted(accepted, rejected, output)
    return UpstreamUsage(prompt, output, min(cached, prompt), min(reasoning, output), predicted)


def read_usages(
    usages: Sequence[msgspec.Raw], repeats: int, prompt_bound: int, output_bound: int
) -> UpstreamUsage | None:
    """The same for one usage of each choice. Each prompt is in `repeats` of them, and counts once."""
    if len(usages) == repeats == 1:
        return read_usage(usages[0], prompt_bound, output_bound)
    counts = [read_usage(usage, prompt_bound, output_bound) for usage in usages]
    known = [count for count in counts if count is not None]
    if not known or len(known) < len(counts):
        return None
    return UpstreamUsage(
        prompt=sum(count.prompt for count in known) // repeats,
        output=sum(count.output for count in known),
        # Of the choices of a prompt, all but one find it in the cache.
        cached=min(count.cached for count in known) * len(known) // repeats,
        reasoning=sum(count.reasoning for count in known),
        predicted=(sum(count.predicted[0] for count in known), sum(count.predicted[1] for count in known)),
    )


def _count(usage: dict[str, Any], names: tuple[str, ...], maximum: int) -> int | None:
    for name in names:
        value = usage.get(name)
        if isinstance(value, int) and not isinstance(value, bool) and 0 <= value <= maximum:
            return value
    return None


def _detail(usage: dict[str, Any], names: tuple[str, ...], member: str) -> int:
    """A member of the details; SGLang has some of them beside the totals."""
    for holder in (*(usage.get(name) for name in names), usage):
        if isinstance(holder, dict):
            value = holder.get(member)
            if isinstance(value, int) and not isinstance(value, bool) and value >= 0:
                return value
    return 0


class TokenRatio:
    """Tokens for each byte of text, learned from exact counts. Until the first one, each byte may be a token."""

    # Older answers count less, so that the ratio follows a change of language.
    _DECAY: Final = 0.95

    def __init__(self) -> None:
        self._bytes = self._tokens = 0.0

    def learn(self, size: int, tokens: int) -> None:
        """Learn from a text of `size` bytes with `tokens`."""
        if size > 0 and 0 < tokens <= 2 * size:
            self._bytes = self._bytes * self._DECAY + size
            self._tokens = self._tokens * self._DECAY + tokens

    def estimate(self, size: int) -> int:
        """The tokens of a text of `size` bytes, at most one for each byte."""
        if not self._bytes:
            return size
        return min(size, -int(-size * self._tokens // self._bytes))


class TokenEstimator:
    """Counts for answers whose upstream states none, learned from other answers of the model.

    `exact_prompts`: the bound of a prompt is the count of its tokens.
    """

    def __init__(self, *, exact_prompts: bool) -> None:
        self._exact_prompts = exact_prompts
        self._prompt, self._output = TokenRatio(), TokenRatio()

    def learn(self, prompt_bytes: int, counts: UpstreamUsage, output_bytes: int) -> None:
        """Learn from the counts of an answer."""
        self._prompt.learn(prompt_bytes, counts.prompt)
        self._output.learn(output_bytes, counts.output)

    def estimate(self, prompt_bytes: int, prompt_bound: int, output_bytes: int, reasoning_bytes: int) -> UpstreamUsage:
        """The counts of an answer, at most one token for each byte."""
        prompt = prompt_bound if self._exact_prompts else self._prompt.estimate(prompt_bytes)
        return UpstreamUsage(
            max(prompt, 1), self._output.estimate(output_bytes), 0, self._output.estimate(reasoning_bytes)
        )
