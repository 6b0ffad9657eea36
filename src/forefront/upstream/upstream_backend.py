"""The backend of a model that other servers answer for: prepare → choose a replica → send → events."""

import asyncio
import logging
import time
from collections.abc import AsyncGenerator, AsyncIterator, Sequence
from contextlib import aclosing, asynccontextmanager, suppress
from typing import Final

from forefront.chat.backend import EngineStats, PromptPreview, Run, RunUsage, TokenizedText
from forefront.chat.embedder import EmbeddingResult
from forefront.chat.events import Completed, Event, Started
from forefront.fairness.tenant import Tenant
from forefront.upstream.answer_stream import stream_answer
from forefront.upstream.decoding.answer import Answer, PreparedCall
from forefront.upstream.decoding.usage import TokenEstimator
from forefront.upstream.detection import DetectedServer, detect, list_models
from forefront.upstream.dialects import DIALECTS
from forefront.upstream.embeddings import PreparedTexts, UpstreamEmbeddings
from forefront.upstream.encoding.request_encoder import RequestEncoder
from forefront.upstream.encoding.tool_encoder import custom_tools
from forefront.upstream.errors import UpstreamError, log_failure
from forefront.upstream.http.http_client import UpstreamClient
from forefront.upstream.prompt_size import Counter, prediction_bytes, prompt_bound, prompt_bytes
from forefront.upstream.replica import Replicas, RoutedRequest
from forefront.upstream.spec import UpstreamSpec
from forefront.upstream.token_endpoints import TokenEndpoints
from forefront.wire.admin.records import ReplicaStatus
from forefront.wire.completions.request import ChatRequest, CompletionRequest, SampledRequest
from forefront.wire.embeddings import EmbeddingRequest, RerankRequest
from forefront.wire.errors import RequestError
from forefront.wire.tokens import TokenizeRequest

log = logging.getLogger(__name__)

# The assumed context in tokens if neither the settings nor the server state it.
_UNKNOWN_CONTEXT: Final = 131_072
# Maximum bytes per token: prompts with more bytes than fit are refused without a request.
_MAX_TOKEN: Final = 64
# Unstreamed answers with one choice up to this number of tokens are requested unstreamed, which takes half of the time.
# Longer ones are requested as streams, so that silence is noticed and the tokens of a broken answer are known. So is a
# continued message, since llama.cpp repeats its beginning in a whole answer.
_MAX_WHOLE: Final = 256
# Bytes of an answer that are held so that it can be tried again.
_MAX_HELD: Final = 2**20
_DEFAULT_MAX_TOKENS: Final = 16  # of `POST /v1/completions`


class UpstreamBackend:
    """The `Backend` and `Embedder` of one upstream model.

    `replicas` chooses where each attempt goes. `count` counts the tokens of a text; without it, its bytes bound them.
    """

    def __init__(
        self, spec: UpstreamSpec, replicas: Replicas, client: UpstreamClient, count: Counter | None = None
    ) -> None:
        self.context_length = spec.context_length or _UNKNOWN_CONTEXT
        self._spec = spec
        self._replicas = replicas
        self._client = client
        self._count = count
        self._servers = spec.replicas()
        self._embeddings = UpstreamEmbeddings(spec, replicas, client, count)
        self._detected: DetectedServer | None = None
        self._detecting = asyncio.Lock()
        self._first_look: asyncio.Task[None] | None = None
        self._estimator = TokenEstimator(exact_prompts=count is not None)
        self._running = self._tokens = 0
        self._last_token = 0.0

    async def prepare(self, request: ChatRequest | CompletionRequest, tenant: Tenant) -> PreparedCall:
        """See `Backend.prepare`."""
        received = time.monotonic()
        detected = await self._server()
        size = prompt_bytes(request)
        prompt = self._bound(request, size)
        chat = isinstance(request, ChatRequest)
        prompts = 1 if isinstance(request, ChatRequest) else len(request.prompts)
        choices = (request.n or 1) * prompts
        maximum = self._longest_answer(request, prompt) + prediction_bytes(request)
        continued = isinstance(request, ChatRequest) and request.messages[-1].role == "assistant"
        streams = request.stream or continued or request.deadline_ms is not None
        whole = choices == 1 and maximum <= _MAX_WHOLE and not streams
        body = RequestEncoder(self._spec, detected.dialect).encode(request, whole=whole)
        return PreparedCall(
            routed=RoutedRequest(request, tenant, prompt + maximum * choices),
            path="/chat/completions" if chat else "/completions",
            body=body,
            prompt_bytes=size,
            prompt_tokens=prompt,
            max_output_tokens=maximum * choices,
            prompts=prompts,
            choices=choices,
            usage_of_choices=detected.dialect.usage_of_choices,
            custom_tools=custom_tools(request, detected.dialect) if isinstance(request, ChatRequest) else frozenset(),
            received=received,
        )

    def run(self, prepared: PreparedCall, deadline: float | None = None) -> Run:
        """See `Backend.run`."""
        usage, computed = RunUsage(), asyncio.get_running_loop().create_future()
        return Run(self._events(prepared, deadline, usage, computed), usage, computed)

    async def prepare_embeddings(self, request: EmbeddingRequest, tenant: Tenant) -> PreparedTexts:
        """See `Embedder.prepare_embeddings`."""
        return self._embeddings.prepare_embeddings(request, tenant, (await self._server()).dialect)

    async def prepare_ranking(self, request: RerankRequest, tenant: Tenant) -> PreparedTexts:
        """See `Embedder.prepare_ranking`."""
        return self._embeddings.prepare_ranking(request, tenant, (await self._server()).dialect)

    async def embed(self, prepared: PreparedTexts) -> EmbeddingResult:
        """See `Embedder.embed`."""
        self._running += 1
        try:
            return await self._embeddings.embed(prepared)
        finally:
            self._running -= 1

    async def preview(self, request: ChatRequest, tenant: Tenant) -> PromptPreview:
        """See `Backend.preview`."""
        async with self._token_endpoints(request, tenant) as endpoints:
            return await endpoints.preview(request)

    async def tokenize(self, request: TokenizeRequest, tenant: Tenant) -> TokenizedText:
        """See `Backend.tokenize`."""
        conversation = request.conversation or ChatRequest(model=request.model, messages=[])
        async with self._token_endpoints(conversation, tenant) as endpoints:
            return await endpoints.tokenize(request)

    async def detokenize(self, tokens: Sequence[int], tenant: Tenant) -> str:
        """See `Backend.detokenize`."""
        async with self._token_endpoints(ChatRequest(model=self._spec.name, messages=[]), tenant) as endpoints:
            return await endpoints.detokenize(tokens)

    def ignored(self, request: SampledRequest) -> tuple[str, ...]:
        """See `Backend.ignored`. Only reasoning in the history, which some APIs cannot express."""
        if self._detected is None or self._detected.dialect.reasoning or not isinstance(request, ChatRequest):
            return ()
        found = any(message.reasoning_text for message in request.messages)
        return ("messages[].reasoning_content",) if found else ()

    def start(self) -> None:
        """See `Backend.start`. The server is probed once; after a failure, again at the next request."""
        self._first_look = asyncio.get_running_loop().create_task(self._look())
        self._replicas.start()

    async def probe(self) -> None:
        """See `Backend.probe`: return once a server has listed its models. Nothing is generated."""
        failures: list[Exception] = []
        for server in self._servers:
            try:
                await list_models(self._client, server)
                return
            except UpstreamError as error:
                failures.append(error)
        raise failures[-1]

    def stats(self) -> EngineStats:
        """See `Backend.stats`. Only the running requests and tokens of this server."""
        return EngineStats(self._running, 0, 0, 0, self._tokens, 0, 0, 0, self._last_token)

    async def close(self) -> None:
        """See `Backend.close`."""
        if self._first_look is not None:
            self._first_look.cancel()
        await self._replicas.close()
        await self._client.close()

    def replicas(self) -> list[ReplicaStatus]:
        """The state of each replica, for administrators."""
        return self._replicas.status()

    async def _look(self) -> None:
        with suppress(RequestError):  # already logged
            await self._server()

    @asynccontextmanager
    async def _token_endpoints(self, request: ChatRequest, tenant: Tenant) -> AsyncIterator[TokenEndpoints]:
        detected = await self._server()
        attempt = await self._replicas.choose(RoutedRequest(request, tenant, 0), [])
        failure: UpstreamError | None = None
        try:
            yield TokenEndpoints(self._client, attempt.replica, detected.dialect, self._spec)
        except UpstreamError as error:
            log_failure(error)
            failure = error
            raise
        finally:
            attempt.end(failure)

    async def _server(self) -> DetectedServer:
        """The dialect: of the settings, or else found once. Raises `RequestError` for servers that cannot be
        reached."""
        if self._detected is None:
            async with self._detecting:
                if self._detected is None:
                    self._detected = await self._detect()
                    if self._spec.context_length is None and self._detected.context_length is not None:
                        self.context_length = self._detected.context_length
        return self._detected

    async def _detect(self) -> DetectedServer:
        configured = self._spec.dialect
        if configured is not None and self._spec.context_length is not None:
            return DetectedServer(DIALECTS[configured], None)
        failure: UpstreamError | None = None
        for server in self._servers:
            try:
                found = await detect(self._client, server, self._spec.model)
            except UpstreamError as error:
                log.warning("%s", error.detail)
                failure = error
                continue
            dialect = found.dialect if configured is None else DIALECTS[configured]
            log.info("the upstream of %s is %s", self._spec.name, dialect.name)
            return DetectedServer(dialect, found.context_length)
        assert failure is not None
        raise failure

    def _bound(self, request: ChatRequest | CompletionRequest, size: int) -> int:
        """The most tokens that prompts of `size` bytes can have. Raises `RequestError` for prompts that cannot fit."""
        prompts = len(request.prompts) if isinstance(request, CompletionRequest) else 1
        maximum = self.context_length * prompts
        if size > maximum * _MAX_TOKEN:
            text = f"This model's maximum context length is {self.context_length} tokens. The prompt is too long."
            raise RequestError("context_length_exceeded", text, param="messages" if prompts == 1 else "prompt")
        bound = size if self._count is None else prompt_bound(request, self._count)
        return max(1, min(bound, maximum))

    def _longest_answer(self, request: ChatRequest | CompletionRequest, prompt: int) -> int:
        """The most tokens of one choice."""
        if isinstance(request, CompletionRequest):
            wanted = _DEFAULT_MAX_TOKENS if request.max_tokens is None else request.max_tokens
            return max(min(wanted, self.context_length), 1)
        if request.max_tokens is not None:
            return min(request.max_tokens, self.context_length)
        # The bound of the prompt may be several times its tokens, so only an exact count can shorten the answer.
        return max(self.context_length - prompt, 1) if self._count is not None else self.context_length

    async def _events(
        self, prepared: PreparedCall, deadline: float | None, usage: RunUsage, computed: asyncio.Future[int]
    ) -> AsyncGenerator[Event, None]:
        """The events of the first attempt that succeeds.

        The client sees the events of a stream at once. Those of another answer are held until it is complete, within a
        bound, so that it can be tried again until then.
        """
        failures: list[UpstreamError] = []
        begun = False
        self._running += 1
        try:
            while True:
                attempt = await self._replicas.choose(prepared.routed, failures)
                answer = Answer(prepared, attempt.replica, usage, self._estimator)
                failure: UpstreamError | None = None
                held: list[Event] = []
                try:
                    async with aclosing(stream_answer(self._client, answer, deadline, self._spec.model)) as batches:
                        async for events in batches:
                            if isinstance(events[0], Started):
                                attempt.begin()
                            if not (begun or prepared.routed.request.stream):
                                held += events
                                if answer.decoder.output_bytes <= _MAX_HELD and not isinstance(events[-1], Completed):
                                    continue
                                events = held
                            begun = True
                            for event in events:
                                yield event
                    return
                except UpstreamError as error:
                    failure = error
                    log_failure(error)
                    if begun or error.kind == "request":
                        raise
                    failures.append(error)
                    usage.started = None
                finally:
                    answer.settle()
                    self._note_tokens(usage.output_tokens)
                    attempt.end(failure)
        finally:
            self._running -= 1
            if not computed.done():
                computed.set_result(usage.output_tokens)

    def _note_tokens(self, count: int) -> None:
        self._tokens += count
        if count:
            self._last_token = time.monotonic()
