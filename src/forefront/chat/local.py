"""Answers from this machine's engine: messages → template → tokens → engine → text."""

import asyncio
import secrets
import time
from collections.abc import AsyncGenerator
from itertools import groupby
from operator import attrgetter
from typing import Any

from forefront.chat.answer import Answer
from forefront.chat.events import Completed, Event, Started
from forefront.chat.meter import Meter
from forefront.chat.prompt import PromptEncoder
from forefront.chat.stopwatch import Stopwatch
from forefront.chat.template import TemplateError
from forefront.chat.tokenizer import Tokenizer
from forefront.engine.engine import Engine, EngineStats
from forefront.engine.errors import ContextExceededError, EngineStoppedError, StepFailedError
from forefront.engine.generation import Generation
from forefront.engine.request import GenerateRequest, Sampling
from forefront.wire.errors import ApiError
from forefront.wire.request import ChatRequest

# How long after its last token an engine is taken to work without trying.
_PROBE_AGE = 2.0


class LocalBackend:
    """The `Backend` of a model that runs in this process. `end_tokens` end an answer."""

    def __init__(
        self, engine: Engine, tokenizer: Tokenizer, prompts: PromptEncoder, end_tokens: frozenset[int]
    ) -> None:
        self.context_length = engine.context_limit
        self._engine = engine
        self._tokenizer = tokenizer
        self._prompts = prompts
        self._end_tokens = end_tokens
        self._probing = asyncio.Lock()

    async def chat(self, request: ChatRequest, tenant: bytes, meter: Meter) -> AsyncGenerator[Event, None]:
        """See `Backend.chat`."""
        watch = Stopwatch()
        prompt = await self._encode(request)
        wanted = self._request(request, prompt, tenant)
        await meter.admit(len(prompt), wanted.max_tokens * wanted.n)
        watch.turn()
        generation = self._submit(wanted)
        pieces, wants_logprobs = self._tokenizer.pieces, bool(request.logprobs)
        answers = [Answer(i, pieces, request.stops, logprobs=wants_logprobs) for i in range(request.n or 1)]
        started = False
        try:
            async for tokens in generation:
                if not started:
                    started = True
                    watch.first()
                    meter.begin(generation.cached_tokens)
                    yield Started(len(prompt), generation.cached_tokens)
                for index, own in groupby(sorted(tokens, key=attrgetter("choice")), key=attrgetter("choice")):
                    for event in answers[index].events(list(own)):
                        yield event
                if all(answer.ended for answer in answers):
                    break
        except StepFailedError:
            raise ApiError("engine_failed", "The model failed while it answered this request; try again.") from None
        except EngineStoppedError:
            raise ApiError("shutting_down", "The server is shutting down.") from None
        finally:
            meter.output_tokens = await generation.aclose()
        meter.output_tokens = sum(answer.tokens for answer in answers)
        work = watch.work(wanted)
        yield Completed(len(prompt), meter.output_tokens, generation.cached_tokens, meter.reasoning_tokens, work)

    def start(self) -> None:
        """See `Backend.start`."""
        self._engine.start()

    async def probe(self) -> None:
        """See `Backend.probe`. A token that was sampled in the last seconds is proof enough, and one try at a time."""
        async with self._probing:
            if time.monotonic() - self._engine.stats().last_token < _PROBE_AGE:
                return
            generation = self._engine.submit(GenerateRequest([0], 1, salt=b"probe"))
            try:
                async for _ in generation:
                    pass
            finally:
                generation.cancel()

    async def close(self) -> None:
        """See `Backend.close`."""
        await self._engine.stop()

    def stats(self) -> EngineStats:
        """What the engine is doing."""
        return self._engine.stats()

    async def _encode(self, request: ChatRequest) -> list[int]:
        messages: list[dict[str, Any]] = [
            {"role": message.role, "content": message.content} | ({"name": message.name} if message.name else {})
            for message in request.messages
        ]
        try:
            return await asyncio.to_thread(self._prompts.encode, messages)
        except TemplateError as error:
            text = f"The model's chat template does not take these messages: {error}"
            raise ApiError("invalid_value", text, param="messages") from None

    def _request(self, request: ChatRequest, prompt: list[int], tenant: bytes) -> GenerateRequest:
        limit = self._engine.context_limit
        max_tokens = request.max_tokens or max(limit - len(prompt), 1)
        if len(prompt) + max_tokens > limit:
            raise _too_long(ContextExceededError(len(prompt), max_tokens, limit))
        return GenerateRequest(
            prompt=prompt,
            max_tokens=max_tokens,
            sampling=self._sampling(request),
            n=request.n or 1,
            stop_tokens=self._end_tokens,
            salt=tenant,
        )

    def _submit(self, wanted: GenerateRequest) -> Generation:
        try:
            return self._engine.submit(wanted)
        except EngineStoppedError:
            raise ApiError("shutting_down", "The server is shutting down.") from None

    def _sampling(self, request: ChatRequest) -> Sampling:
        bias = {int(token): value for token, value in (request.logit_bias or {}).items()}
        if bias and max(bias) >= self._engine.vocabulary_size:
            text = (
                f"`logit_bias` names token {max(bias)}, but the vocabulary ends at {self._engine.vocabulary_size - 1}."
            )
            raise ApiError("invalid_value", text, param="logit_bias")
        return Sampling(
            temperature=_default(request.temperature, 1.0),
            top_p=_default(request.top_p, 1.0),
            top_k=request.top_k or 0,
            min_p=_default(request.min_p, 0.0),
            presence_penalty=_default(request.presence_penalty, 0.0),
            frequency_penalty=_default(request.frequency_penalty, 0.0),
            repetition_penalty=_default(request.repetition_penalty, 1.0),
            logit_bias=bias,
            # Drawn here, so that the receipt can name it; small enough for every JSON reader.
            seed=secrets.randbits(53) if request.seed is None else request.seed,
            top_logprobs=(request.top_logprobs or 0) if request.logprobs else None,
        )


def _default(value: float | None, default: float) -> float:
    return default if value is None else value


def _too_long(error: ContextExceededError) -> ApiError:
    if error.prompt >= error.limit:
        text = f"The prompt has {error.prompt} tokens; with room for an answer that is {error.excess} more than the"
        return ApiError("context_length_exceeded", f"{text} context of {error.limit}.", param="messages")
    text = (
        f"The prompt has {error.prompt} tokens and `max_tokens` asks for {error.max_tokens} more: {error.excess} over"
    )
    return ApiError("context_length_exceeded", f"{text} the context of {error.limit}.", param="max_tokens")
