"""From a request to a plan: prompt, room, sampling, form, and who reads the answer."""

import asyncio
from collections.abc import Sequence

from forefront.chat.answer import Answer
from forefront.chat.dialect import Dialect
from forefront.chat.form import Former
from forefront.chat.plan import Plan
from forefront.chat.prompt import Prompt, PromptEncoder
from forefront.chat.rendering import split_beginning
from forefront.chat.room import fit
from forefront.chat.sampling import sampling_of
from forefront.chat.template import TemplateError
from forefront.chat.tokenizer import Tokenizer
from forefront.engine.request import GenerateRequest
from forefront.wire.errors import ApiError
from forefront.wire.request import ChatRequest, CompletionRequest

_DEFAULT_MAX_TOKENS = 16  # of `POST /v1/completions`, as the field has it


class Planner:
    """Makes plans for one model: `limit` tokens of context, `vocabulary_size` tokens to choose from, `end_tokens` that
    end an answer. Without `prompts` it takes no messages."""

    def __init__(
        self,
        tokenizer: Tokenizer,
        prompts: PromptEncoder | None,
        dialect: Dialect,
        former: Former,
        end_tokens: frozenset[int],
        limit: int,
        vocabulary_size: int,
    ) -> None:
        self._tokenizer = tokenizer
        self._prompts = prompts
        self._dialect = dialect
        self._former = former
        self._end_tokens = end_tokens
        self._limit = limit
        self._vocabulary_size = vocabulary_size

    def close(self) -> None:
        """End what works beside the event loop."""
        self._former.close()

    async def prompt(self, request: ChatRequest) -> Prompt:
        """What the model reads. Raises `ApiError` for what its template has no place for."""
        if self._prompts is None:
            text = (
                "This model has no chat template, so it takes no messages: use `POST /v1/completions`, or start the "
                "server with `--chat-template FILE` or one of the built-in names."
            )
            raise ApiError("unsupported_parameter", text, param="messages")
        variables = self._dialect.variables(request.reasoning_effort, request.offered)
        messages, beginning = split_beginning(request.messages)
        plain = self._dialect.messages(messages, request.offered)
        try:
            return await asyncio.to_thread(
                self._prompts.encode, plain, variables, beginning, self._dialect.lead(beginning)
            )
        except TemplateError as error:
            text = f"The model's chat template does not take these messages: {error}"
            raise ApiError("invalid_value", text, param="messages") from None

    async def chat(self, request: ChatRequest, tenant: bytes) -> Plan:
        """The plan for an answer to messages."""
        prompt = await self.prompt(request)
        most = fit(len(prompt.tokens), request.max_tokens, self._limit)
        top_logprobs = (request.top_logprobs or 0) if request.logprobs else None
        wanted = GenerateRequest(
            prompt=prompt.tokens,
            max_tokens=most,
            sampling=sampling_of(request, top_logprobs, self._vocabulary_size),
            n=request.n or 1,
            stop_tokens=self._end_tokens,
            salt=tenant,
            constraint=await self._former.chat(request, prompt.text, most),
        )
        pieces = self._dialect.pieces(request.offered)
        answers = [
            Answer(
                index,
                pieces,
                request.stops,
                logprobs=bool(request.logprobs),
                reader=self._dialect.reader(index, prompt.text, request.offered),
            )
            for index in range(wanted.n)
        ]
        return Plan([wanted], answers)

    async def complete(self, request: CompletionRequest, tenant: bytes) -> Plan:
        """The plan for continuations of prompts."""
        prompts = [await self._tokens(prompt, index, request) for index, prompt in enumerate(request.prompts)]
        most = _DEFAULT_MAX_TOKENS if request.max_tokens is None else request.max_tokens
        sampling = sampling_of(request, request.logprobs, self._vocabulary_size)
        constraint = await self._former.text(request, max(most, 1))
        scores = request.logprobs if request.echo else None
        requests = [
            GenerateRequest(
                prompt=tokens,
                max_tokens=fit(len(tokens), max(most, 1), self._limit),
                sampling=sampling,
                n=request.n or 1,
                stop_tokens=self._end_tokens,
                salt=tenant,
                constraint=constraint,
                prompt_logprobs=scores,
            )
            for tokens in prompts
        ]
        answers: list[Answer] = []
        for wanted in requests:
            for _ in range(wanted.n):
                answers.append(self._text_answer(request, wanted.prompt, len(answers), mute=most == 0))
        return Plan(requests, answers)

    def _text_answer(self, request: CompletionRequest, prompt: Sequence[int], index: int, *, mute: bool) -> Answer:
        return Answer(
            index,
            self._tokenizer.pieces,
            request.stops,
            logprobs=request.logprobs is not None,
            echo=prompt if request.echo else (),
            mute=mute,
        )

    async def _tokens(self, prompt: str | list[int], index: int, request: CompletionRequest) -> list[int]:
        """A prompt as tokens; of a text, control tokens that it spells are such, as its author means them."""
        param = "prompt" if isinstance(request.prompt, str) else f"prompt[{index}]"
        if isinstance(prompt, str):
            tokens = await asyncio.to_thread(self._tokenizer.encode, self._dialect.opening + prompt)
        else:
            tokens = prompt
            if tokens and max(tokens) >= self._vocabulary_size:
                text = f"`{param}` names token {max(tokens)}, but the vocabulary ends at {self._vocabulary_size - 1}."
                raise ApiError("invalid_value", text, param=param)
        if not tokens:
            raise ApiError("invalid_value", f"`{param}` is empty: there is nothing to continue.", param=param)
        return tokens
