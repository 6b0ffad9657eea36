"""From a request to the input of the engine: prompt tokens, sampling, constraint, and a decoder for each choice."""

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TypeVar

from forefront.chat.backend import TokenizedText
from forefront.chat.grammar.structured_output import AnswerFormat, StructuredOutput
from forefront.chat.local.sampling import sampling_of
from forefront.chat.local.text_codec import TextCodec, not_encodable
from forefront.chat.model_format import ModelFormat
from forefront.chat.output.choice_decoder import ChoiceDecoder
from forefront.chat.output.decoders import chat_decoders, text_decoders
from forefront.chat.output.min_tokens import minimum_length
from forefront.chat.prompt.chat_template import TemplateError
from forefront.chat.prompt.context_limit import PromptSizeLimit, fit_answer
from forefront.chat.prompt.prompt_builder import Prompt, PromptBuilder
from forefront.chat.prompt.template_messages import split_prefill
from forefront.engine.constraint import ConstraintFactory
from forefront.engine.request import GenerateRequest
from forefront.fairness.tenant import Tenant
from forefront.tokenizer.errors import TokenizerError
from forefront.tokenizer.tokenizer import Tokenizer
from forefront.wire.completions.media import media_parts
from forefront.wire.completions.message import AudioPart, FilePart, ImagePart
from forefront.wire.completions.request import ChatRequest, CompletionRequest, SampledRequest
from forefront.wire.errors import RequestError
from forefront.wire.tokens import TokenizeRequest

T = TypeVar("T")

_DEFAULT_MAX_TOKENS = 16  # of `POST /v1/completions`
# By name, because their types differ among the APIs.
_MEDIA = {ImagePart: "images", AudioPart: "audio", FilePart: "files"}


@dataclass(frozen=True, slots=True)
class PreparedGeneration:
    """A `PreparedRequest` for the engine: one of `requests` for each prompt, one of `answers` for each choice, in the
    order of the prompts. `received` is the monotonic time at which its preparation began, `unenforced` are the paths of
    keywords of schemas that do not bind the answers. `predicted`: the client has sent a prediction."""

    requests: Sequence[GenerateRequest]
    answers: Sequence[ChoiceDecoder]
    received: float
    unenforced: tuple[str, ...] = ()
    predicted: bool = False

    @property
    def prompt_tokens(self) -> int:
        """See `PreparedRequest`."""
        return sum(len(request.prompt) for request in self.requests)

    @property
    def max_output_tokens(self) -> int:
        """See `PreparedRequest`."""
        return sum(request.max_tokens * request.n for request in self.requests)


@dataclass(frozen=True, slots=True)
class ModelLimits:
    """The context in tokens and in bytes of text, the size of the vocabulary, and the tokens that end an answer.
    `predictions`: the engine uses predicted outputs."""

    context: int
    text_bound: PromptSizeLimit
    vocabulary_size: int
    end_tokens: frozenset[int]
    predictions: bool = True


class RequestPreparer:
    """Prepares the requests of one model. Without `prompts` the model takes no messages."""

    def __init__(
        self,
        tokenizer: Tokenizer,
        prompts: PromptBuilder | None,
        model_format: ModelFormat,
        structured_output: StructuredOutput,
        limits: ModelLimits,
    ) -> None:
        self._prompts = prompts
        self._format = model_format
        self._structured_output = structured_output
        self._limits = limits
        self._codec = TextCodec(tokenizer, model_format.plain_texts, limits.vocabulary_size)

    def close(self) -> None:
        """End the worker threads and those of the grammars."""
        self._codec.close()
        self._structured_output.close()

    async def prompt(self, request: ChatRequest, tenant: Tenant) -> Prompt:
        """The prompt of a conversation. Raises `RequestError` for messages that the template does not take, and for a
        text that is too large for the context by its bytes."""
        return await self._rendered(request, tenant, self._prompt)

    async def chat(self, request: ChatRequest, tenant: Tenant) -> PreparedGeneration:
        """Prepare an answer to messages."""
        received = time.monotonic()
        prompt, form = await self._rendered(request, tenant, self._prompt_and_form)
        max_tokens = fit_answer(len(prompt.tokens), request.max_tokens, self._limits.context)
        top_logprobs = (request.top_logprobs or 0) if request.logprobs else None
        constraint = await self._structured_output.constraint(form, tenant)
        generate = GenerateRequest(
            prompt=prompt.tokens,
            max_tokens=max_tokens,
            sampling=sampling_of(request, top_logprobs, self._limits.vocabulary_size),
            n=request.n or 1,
            stop_tokens=self._ends(request),
            tenant=tenant,
            constraint=self._at_least(request, constraint.start),
            prediction=await self._prediction(request, tenant),
        )
        answers = chat_decoders(request, self._format, prompt.text)
        predicted = request.prediction is not None
        return PreparedGeneration([generate], answers, received, constraint.left_out, predicted)

    async def completion(self, request: CompletionRequest, tenant: Tenant) -> PreparedGeneration:
        """Prepare continuations of prompts."""
        received = time.monotonic()
        max_tokens = _DEFAULT_MAX_TOKENS if request.max_tokens is None else request.max_tokens
        sampled = max(max_tokens, 1)
        prompts = [
            await self._tokens(prompt, index, request, sampled, tenant) for index, prompt in enumerate(request.prompts)
        ]
        sampling = sampling_of(request, request.logprobs, self._limits.vocabulary_size)
        constraint = await self._structured_output.constraint(await self._form(request, tenant), tenant)
        start = self._at_least(request, constraint.start)
        requests = [
            GenerateRequest(
                prompt=tokens,
                max_tokens=fit_answer(len(tokens), sampled, self._limits.context),
                sampling=sampling,
                n=request.n or 1,
                stop_tokens=self._ends(request),
                tenant=tenant,
                constraint=start,
                prompt_logprobs=request.logprobs if request.echo else None,
            )
            for tokens in prompts
        ]
        answers = await text_decoders(request, self._format.plain_texts, prompts)
        return PreparedGeneration(requests, answers, received, constraint.left_out)

    async def tokenize(self, request: TokenizeRequest, tenant: Tenant) -> TokenizedText:
        """The tokens of a text, however long, or of a conversation."""
        if (conversation := request.conversation) is not None:
            tokens = (await self.prompt(conversation, tenant)).tokens
        else:
            text = request.prompt or ""
            if request.add_special_tokens is not False:
                text = self._format.opening + text
            tokens = await self._codec.encode(text, "prompt", tenant)
        if not request.return_token_strs:
            return TokenizedText(tokens)
        return TokenizedText(tokens, await self._codec.texts(tokens, tenant))

    async def detokenize(self, tokens: Sequence[int], tenant: Tenant) -> str:
        """The text of tokens, control tokens by their names."""
        return await self._codec.decode(tokens, tenant)

    @property
    def takes_messages(self) -> bool:
        """Whether there is a chat template for messages."""
        return self._prompts is not None

    def ignored(self, request: ChatRequest) -> tuple[str, ...]:
        """The fields that have no effect for this model. Raises `RequestError` 400 for one that cannot be ignored."""
        effort, ignored = request.reasoning_effort, tuple[str, ...]()
        if effort is not None and not self._format.takes_effort(effort):
            ignored = ("reasoning_effort",)
        if request.prediction is not None and not self._limits.predictions:
            ignored += ("prediction",)
        return ignored

    async def _prediction(self, request: ChatRequest, tenant: Tenant) -> Sequence[int]:
        """The tokens of the predicted output. Raises `RequestError` for a text that cannot fit into the context."""
        if request.prediction is None:
            return ()
        text, param = request.prediction.text, "prediction.content"
        self._limits.text_bound.check(text, param, "prediction")
        if not text or not self._limits.predictions:
            return ()
        tokens = await self._codec.encode(text, param, tenant)
        return tokens[: self._limits.context]

    def _ends(self, request: SampledRequest) -> frozenset[int]:
        """The tokens that end the answer in the engine."""
        return frozenset() if request.ignore_eos else self._limits.end_tokens

    def _at_least(self, request: SampledRequest, constraint: ConstraintFactory | None) -> ConstraintFactory | None:
        if not request.min_tokens or request.ignore_eos:
            return constraint
        return minimum_length(request.min_tokens, self._limits.end_tokens, self._limits.vocabulary_size, constraint)

    def _prompt(self, request: ChatRequest) -> Prompt:
        if self._prompts is None:
            text = (
                "This model has no chat template, so it accepts no messages: use `POST /v1/completions`, or start the "
                "server with `--chat-template FILE` or one of the built-in names."
            )
            raise RequestError("unsupported_parameter", text, param="messages")
        variables = self._format.variables(request.reasoning_effort, request.active_tools)
        messages, beginning = split_prefill(request.messages)
        plain = self._format.messages(messages, request.active_tools)
        try:
            return self._prompts.encode(plain, variables, beginning, self._format.lead(beginning))
        except TemplateError as error:
            text = f"The model's chat template does not take these messages: {error}"
            raise RequestError("invalid_value", text, param="messages") from None
        except TokenizerError as error:
            raise not_encodable(error, "messages") from None

    def _prompt_and_form(self, request: ChatRequest) -> tuple[Prompt, AnswerFormat | None]:
        prompt = self._prompt(request)
        return prompt, self._structured_output.chat(request, prompt.text)

    async def _form(self, request: CompletionRequest, tenant: Tenant) -> AnswerFormat | None:
        """The constraint's source. Only JSON schemas take long enough to need a thread."""
        if request.response_format is None:
            return self._structured_output.text(request)
        return await self._codec.run(tenant, 0, lambda: self._structured_output.text(request))

    async def _tokens(
        self, prompt: str | list[int], index: int, request: CompletionRequest, sampled: int, tenant: Tenant
    ) -> list[int]:
        """A prompt as tokens, for an answer of `sampled` tokens. Control tokens in a text are encoded as such."""
        param = "prompt" if isinstance(request.prompt, str) else f"prompt[{index}]"
        if isinstance(prompt, str):
            self._limits.text_bound.check(prompt, param)
            tokens = await self._codec.encode(self._format.opening + prompt, param, tenant)
        else:
            tokens = prompt
            fit_answer(len(tokens), sampled, self._limits.context)  # first, because checking all ids takes long
            self._codec.check(tokens, param)
        if not tokens:
            raise RequestError("invalid_value", f"`{param}` is empty.", param=param)
        return tokens

    async def _rendered(self, request: ChatRequest, tenant: Tenant, render: Callable[[ChatRequest], T]) -> T:
        """`render(request)`, in a worker thread. Raises `RequestError` for messages that cannot fit, before any
        work."""
        _refuse_media(request)
        size = _text_size(request)
        self._limits.text_bound.check_messages(size)
        return await self._codec.run(tenant, size, lambda: render(request))


def _refuse_media(request: ChatRequest) -> None:
    """Raises `RequestError` 400 for a part of a message that is not text."""
    for path, part in media_parts(request.messages):
        text = f"This model reads text alone: it cannot read {_MEDIA[type(part)]}."
        raise RequestError("unsupported_parameter", text, param=f"{path}.type")


def _text_size(request: ChatRequest) -> int:
    """The characters of all messages."""
    return sum(len(message.text) for message in request.messages)
