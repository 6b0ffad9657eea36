"""One attempt's answer: its decoder, and the usage and times that its end reports."""

import time

import msgspec

from forefront.chat.backend import RunUsage
from forefront.chat.events import Completed, RunReport, Started, UpstreamReport
from forefront.upstream.decoding.answer_decoder import AnswerDecoder
from forefront.upstream.decoding.receipt import UpstreamReceiptFields, read_receipt
from forefront.upstream.decoding.usage import TokenEstimator, UpstreamUsage, read_usages
from forefront.upstream.replica import RoutedRequest, UpstreamReplica
from forefront.wire.completions.request import ChatRequest, SampledRequest
from forefront.wire.receipt import EffectiveSampling


class PreparedCall(msgspec.Struct, frozen=True):
    """A `PreparedRequest` for an upstream: the body, the bytes of its text, and the bounds of its
    tokens. `received` is a monotonic time."""

    routed: RoutedRequest
    path: str
    body: bytes
    prompt_bytes: int
    prompt_tokens: int
    max_output_tokens: int
    prompts: int
    choices: int
    usage_of_choices: bool
    custom_tools: frozenset[str]
    received: float
    unenforced: tuple[str, ...] = ()


class Answer:
    """The answer so far. `first` is the monotonic time of its first part."""

    def __init__(
        self, prepared: PreparedCall, replica: UpstreamReplica, usage: RunUsage, estimator: TokenEstimator
    ) -> None:
        self.prepared = prepared
        self.replica = replica
        self.first: float | None = None
        self._usage = usage
        self._estimator = estimator
        self._begin = time.monotonic()
        self._settled = False
        self._predicted = (0, 0)
        request = prepared.routed.request
        self.decoder = AnswerDecoder(
            prepared.choices,
            prepared.max_output_tokens,
            logprobs=request.logprobs not in (None, False),
            custom_tools=prepared.custom_tools,
            usage_of_choices=prepared.usage_of_choices,
        )

    def start(self) -> Started:
        """The first event: part of the answer has arrived."""
        self._usage.started, self.first = time.time(), time.monotonic()
        return Started(self.prepared.prompt_tokens, 0, self.decoder.fingerprint)

    def settle(self) -> None:
        """Set the usage of the answer received so far. Call once."""
        if self._settled:
            return
        self._settled = True
        prepared, decoder, usage = self.prepared, self.decoder, self._usage
        size = prepared.prompt_bytes
        counts = self._stated()
        usage.estimated = counts is None
        if counts is None:
            counts = self._estimator.estimate(
                size, prepared.prompt_tokens, decoder.output_bytes, decoder.reasoning_bytes
            )
            counts = counts.within(prepared.prompt_tokens, prepared.max_output_tokens)
        elif decoder.complete:
            self._estimator.learn(size, counts, decoder.output_bytes)
        usage.prompt_tokens, usage.output_tokens = counts.prompt, counts.output
        usage.cached_tokens, usage.reasoning_tokens = counts.cached, counts.reasoning
        self._predicted = counts.predicted

    def _stated(self) -> UpstreamUsage | None:
        """The counts that the upstream states; None without plausible ones."""
        prepared, decoder = self.prepared, self.decoder
        expected, repeats = (
            (prepared.choices, prepared.choices // prepared.prompts) if prepared.usage_of_choices else (1, 1)
        )
        if len(decoder.usages) != expected or not decoder.usage_is_final:
            return None
        counts = read_usages(decoder.usages, repeats, prepared.prompt_tokens, prepared.max_output_tokens)
        return None if counts is None or (not counts.output and decoder.output_bytes) else counts

    def completed(self, model: str) -> Completed:
        """The last event. `model`: the model's name at the upstream, unless the answer states one."""
        self.settle()
        usage, prepared, now = self._usage, self.prepared, time.monotonic()
        first = now if self.first is None else self.first
        receipt = read_receipt(self.decoder.receipt)
        report = RunReport(
            receipt.sampling or _sampling(prepared.routed.request),
            self._begin - prepared.received,
            first - self._begin,
            now - first,
            _report(self.replica, self.decoder.model or model, receipt),
        )
        assert usage.prompt_tokens is not None
        counts = usage.output_tokens, usage.cached_tokens, usage.reasoning_tokens
        request = prepared.routed.request
        predicted = self._predicted if isinstance(request, ChatRequest) and request.prediction is not None else None
        return Completed(usage.prompt_tokens, *counts, report, predicted)


def _report(replica: UpstreamReplica, model: str, receipt: UpstreamReceiptFields) -> UpstreamReport:
    return UpstreamReport(replica.name, model, receipt.weights, receipt.quantization, receipt.engine)


def _sampling(request: SampledRequest) -> EffectiveSampling:
    """The values in the request; all others are the upstream's."""
    return EffectiveSampling(
        temperature=request.temperature,
        top_p=request.top_p,
        top_k=request.top_k,
        min_p=request.min_p,
        presence_penalty=request.presence_penalty,
        frequency_penalty=request.frequency_penalty,
        repetition_penalty=request.repetition_penalty,
        max_tokens=getattr(request, "max_tokens", None),
        seed=request.seed,
    )
