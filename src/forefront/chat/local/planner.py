"""From a request to a plan: prompt, room, sampling, form, and who reads the answer."""

import logging
from collections.abc import Callable
from typing import TypeVar

from forefront.chat.grammar.structured_output import AnswerFormat, StructuredOutput
from forefront.chat.local.plan import Plan
from forefront.chat.local.sampling import sampling_of
from forefront.chat.model_format import Dialect
from forefront.chat.output.choice_decoder import Answer
from forefront.chat.output.stop_strings import StopStrings
from forefront.chat.prompt.chat_template import TemplateError
from forefront.chat.prompt.context_limit import TextBound, fit
from forefront.chat.prompt.message_rendering import split_beginning
from forefront.chat.prompt.prompt_builder import Prompt, PromptEncoder
from forefront.engine.request import GenerateRequest
from forefront.fairness.fair_semaphore import SemaphoreClosedError
from forefront.fairness.tenant import Tenant
from forefront.fairness.worker_pool import WorkerPool
from forefront.tokenizer.errors import TokenizerError
from forefront.tokenizer.tokenizer import Tokenizer
from forefront.wire.errors import ApiError, shutting_down
from forefront.wire.request import ChatRequest, CompletionRequest

_log = logging.getLogger(__name__)

T = TypeVar("T")

_DEFAULT_MAX_TOKENS = 16  # of `POST /v1/completions`, as the field has it
# Threads that render and tokenise. A project has half of them at most. More threads take the interpreter lock from the
# event loop: with four, another project's first token took 1.7 times as long under abuse.
_THREADS = 2


class Planner:
    """Makes plans for one model: `limit` tokens of context, `vocabulary_size` tokens to choose from, `end_tokens` that
    end an answer. Without `prompts` it takes no messages."""

    def __init__(
        self,
        tokenizer: Tokenizer,
        prompts: PromptEncoder | None,
        dialect: Dialect,
        structured_output: StructuredOutput,
        end_tokens: frozenset[int],
        bound: TextBound,
        limit: int,
        vocabulary_size: int,
    ) -> None:
        self._tokenizer = tokenizer
        self._prompts = prompts
        self._dialect = dialect
        self._structured_output = structured_output
        self._end_tokens = end_tokens
        self._bound = bound
        self._limit = limit
        self._vocabulary_size = vocabulary_size
        self._workers = WorkerPool(_THREADS, "forefront-prompts")

    def close(self) -> None:
        """End what works beside the event loop."""
        self._workers.close()
        self._structured_output.close()

    async def prompt(self, request: ChatRequest, tenant: Tenant) -> Prompt:
        """What the model reads. Raises `ApiError` for what its template has no place for, and for a prompt that
        cannot fit into the context, by its bytes."""
        return await self._in_turn(tenant, _size(request), lambda: self._prompt(request))

    async def chat(self, request: ChatRequest, tenant: Tenant) -> Plan:
        """The plan for an answer to messages."""
        prompt, form = await self._in_turn(tenant, _size(request), lambda: self._prompt_and_form(request))
        most = fit(len(prompt.tokens), request.max_tokens, self._limit)
        constraint = await self._structured_output.constraint(form, tenant)
        top_logprobs = (request.top_logprobs or 0) if request.logprobs else None
        wanted = GenerateRequest(
            prompt=prompt.tokens,
            max_tokens=most,
            sampling=sampling_of(request, top_logprobs, self._vocabulary_size),
            n=request.n or 1,
            stop_tokens=self._end_tokens,
            tenant=tenant,
            constraint=constraint.start,
        )
        pieces, stops = self._dialect.pieces(request.offered), StopStrings(request.stops)
        answers = [
            Answer(
                index,
                pieces,
                stops,
                logprobs=bool(request.logprobs),
                reader=self._dialect.reader(index, prompt.text, request.offered),
            )
            for index in range(wanted.n)
        ]
        return Plan([wanted], answers, constraint.left_out)

    async def complete(self, request: CompletionRequest, tenant: Tenant) -> Plan:
        """The plan for continuations of prompts."""
        prompts = [await self._tokens(prompt, index, request, tenant) for index, prompt in enumerate(request.prompts)]
        most = _DEFAULT_MAX_TOKENS if request.max_tokens is None else request.max_tokens
        sampling = sampling_of(request, request.logprobs, self._vocabulary_size)
        constraint = await self._structured_output.constraint(await self._form(request, tenant), tenant)
        scores = request.logprobs if request.echo else None
        requests = [
            GenerateRequest(
                prompt=tokens,
                max_tokens=fit(len(tokens), max(most, 1), self._limit),
                sampling=sampling,
                n=request.n or 1,
                stop_tokens=self._end_tokens,
                tenant=tenant,
                constraint=constraint.start,
                prompt_logprobs=scores,
            )
            for tokens in prompts
        ]
        stops = StopStrings(request.stops)
        answers = [
            Answer(
                index,
                self._tokenizer.pieces,
                stops,
                logprobs=request.logprobs is not None,
                echo=prompt if request.echo else (),
                mute=most == 0,
            )
            for index, prompt in enumerate(wanted.prompt for wanted in requests for _ in range(wanted.n))
        ]
        return Plan(requests, answers, constraint.left_out)

    def _prompt(self, request: ChatRequest) -> Prompt:
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
            return self._prompts.encode(plain, variables, beginning, self._dialect.lead(beginning))
        except TemplateError as error:
            text = f"The model's chat template does not take these messages: {error}"
            raise ApiError("invalid_value", text, param="messages") from None
        except TokenizerError as error:
            raise _unfit(error, "messages") from None

    def _prompt_and_form(self, request: ChatRequest) -> tuple[Prompt, AnswerFormat | None]:
        prompt = self._prompt(request)
        return prompt, self._structured_output.chat(request, prompt.text)

    async def _form(self, request: CompletionRequest, tenant: Tenant) -> AnswerFormat | None:
        """The form of a text; only a schema is worth a thread."""
        if request.response_format is None:
            return self._structured_output.text(request)
        return await self._in_turn(tenant, 0, lambda: self._structured_output.text(request))

    async def _tokens(
        self, prompt: str | list[int], index: int, request: CompletionRequest, tenant: Tenant
    ) -> list[int]:
        """A prompt as tokens; of a text, control tokens that it spells are such, as its author means them."""
        param = "prompt" if isinstance(request.prompt, str) else f"prompt[{index}]"
        if isinstance(prompt, str):
            self._bound.check(prompt, param)
            text = self._dialect.opening + prompt
            try:
                tokens = await self._in_turn(tenant, len(text), lambda: self._tokenizer.encode(text))
            except TokenizerError as error:
                raise _unfit(error, param) from None
        else:
            tokens = prompt
            if tokens and max(tokens) >= self._vocabulary_size:
                text = f"`{param}` names token {max(tokens)}, but the vocabulary ends at {self._vocabulary_size - 1}."
                raise ApiError("invalid_value", text, param=param)
        if not tokens:
            raise ApiError("invalid_value", f"`{param}` is empty: there is nothing to continue.", param=param)
        return tokens

    async def _in_turn(self, tenant: Tenant, size: int, work: Callable[[], T]) -> T:
        """What `work` on a text of so many characters returns, in a thread, in `tenant`'s turn."""
        try:
            return await self._workers.run(tenant, size + 1, work)
        except SemaphoreClosedError:
            raise shutting_down() from None


def _size(request: ChatRequest) -> int:
    """The characters of a conversation."""
    return sum(len(message.text) for message in request.messages)


def _unfit(error: TokenizerError, param: str) -> ApiError:
    """The error for a text that the model's tokenizer cannot encode; the library's reason is for the log."""
    _log.warning("a text cannot be encoded: %s", error)
    return ApiError("invalid_value", "The model's tokenizer cannot encode this text.", param=param)
