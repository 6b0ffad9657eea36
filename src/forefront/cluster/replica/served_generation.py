"""A server's generation on a replica: its request from a message, its tokens as messages."""

import asyncio

from forefront.cluster.protocol.frames import Delta, PromptScore, Submit, TokenScore
from forefront.cluster.protocol.token_codec import unpack_tokens
from forefront.cluster.replica.request_trace import RequestTrace
from forefront.engine.generation import Generation, Token
from forefront.engine.request import GenerateRequest, ResumedOutput
from forefront.fairness.tenant import Tenant
from forefront.observability.tracing import Tracer


class ServedGeneration:
    """One generation of a server. `generation` is None until its constraint is built. Its remaining work is
    `prompt_work` + `output_work`. `accepted` and `rejected`: tokens of its prediction already reported to the
    server."""

    __slots__ = (
        "accepted", "cached_known", "generation", "id", "output_work", "paused", "prompt_work", "rejected", "task",
        "trace",
    )  # fmt: skip

    def __init__(self, message: Submit, tracer: Tracer | None) -> None:
        self.id = message.id
        self.prompt_work, self.output_work = message.prompt_work, message.output_work
        self.generation: Generation | None = None
        self.task: asyncio.Task[None] | None = None
        self.paused, self.cached_known = message.paused, False
        self.accepted = self.rejected = 0
        self.trace = None if tracer is None or not message.trace else _trace(tracer, message)

    def add_prediction(self, delta: Delta) -> Delta:
        """Add the tokens of the prediction since the last message, in place."""
        if (generation := self.generation) is not None:
            accepted, rejected = generation.accepted_prediction_tokens, generation.rejected_prediction_tokens
            delta.accepted_prediction, delta.rejected_prediction = accepted - self.accepted, rejected - self.rejected
            self.accepted, self.rejected = accepted, rejected
        return delta

    def stop(self) -> "asyncio.Future[None] | None":
        """Cancel it. The future of its release, if the engine has it."""
        if self.task is not None:
            self.task.cancel()
        if self.generation is None:
            return None
        self.generation.notify = None
        self.generation.cancel()
        return self.generation.released


def _trace(tracer: Tracer, message: Submit) -> RequestTrace:
    attributes = {"forefront.prompt_tokens": len(message.prompt) // 4, "forefront.resumed": bool(message.resumed)}
    return RequestTrace(tracer, "generate", message.trace, attributes)


def decode_request(message: Submit) -> GenerateRequest:
    """The request of a message, without its constraint. Raises `ValueError`."""
    return GenerateRequest(
        prompt=unpack_tokens(message.prompt),
        max_tokens=message.max_tokens,
        sampling=message.sampling,
        n=message.n,
        stop_tokens=frozenset(message.stop_tokens),
        tenant=Tenant(message.tenant, message.weight),
        prompt_logprobs=message.prompt_logprobs,
        resumed=[ResumedOutput(each.index, unpack_tokens(each.tokens)) for each in message.resumed],
        prediction=unpack_tokens(message.prediction),
    )


def encode_tokens(number: int, tokens: list[Token], cached: int = 0) -> Delta:
    """The message with new tokens of generation `number`."""
    delta = Delta(number, [token.token for token in tokens], cached)
    for place, token in enumerate(tokens):
        if token.finish is not None:
            delta.finish = {**delta.finish, place: token.finish}
        if token.choice and not delta.choices:
            delta.choices = [each.choice for each in tokens]
        if token.prompt and not delta.prompt:
            delta.prompt = [PromptScore(each.token, each.logprob, list(each.top)) for each in token.prompt]
    if any(token.logprob or token.top for token in tokens):
        delta.scores = [TokenScore(token.logprob, list(token.top)) for token in tokens]
    return delta
