"""The path of a completion, step by step, for every API; `POST /v1/chat/completions` and `POST /v1/completions`.

Another API is a `CompletionApi` with a package in `wire` for its requests and responses, and one in `server` for its
encoder. Its requests become a `ChatRequest`, and its encoder gets the same events.
"""

import asyncio
import logging
from collections.abc import AsyncGenerator, Awaitable, Callable
from contextlib import aclosing
from dataclasses import dataclass
from typing import Any, Final, Generic, TypeVar

from starlette.types import Receive, Scope, Send

from forefront.catalog.catalog import Catalog, ModelUse
from forefront.chat.backend import PreparedRequest, Run
from forefront.chat.events import (
    ChoiceEnd,
    Completed,
    ContentDelta,
    Event,
    ReasoningDelta,
    ToolCallBegin,
    ToolInputDelta,
)
from forefront.fairness.tenant import Tenant
from forefront.fairness.worker_pool import WorkerPool
from forefront.gateway.gateway import Gateway
from forefront.gateway.keys.principal import Principal
from forefront.gateway.request_lease import Lease
from forefront.server.http.disconnect import while_connected
from forefront.server.http.request_context import request_context
from forefront.server.key_revocation import KeyRevocation
from forefront.server.routes.fallback import FallbackModels, fallbacks_of
from forefront.server.routes.models import find_model
from forefront.server.routes.request_body import read_request
from forefront.server.routes.request_span import start_span
from forefront.server.sending.chat_encoder import ChatCompletionEncoder
from forefront.server.sending.response_encoder import ResponseEncoder
from forefront.server.sending.response_memory import ResponseMemory
from forefront.server.sending.response_sender import ResponseSender, ignored_header, unenforced_header
from forefront.server.sending.text_encoder import TextCompletionEncoder
from forefront.wire.completions.parse import ParsedRequest, parse_chat_request, parse_completion_request
from forefront.wire.completions.request import ChatRequest, CompletionRequest
from forefront.wire.errors import RequestError
from forefront.wire.parsing.field_names import rename_fields

P = TypeVar("P", bound=ParsedRequest[Any])
T = TypeVar("T")
MakeEncoder = Callable[[P, ModelUse, ResponseMemory], ResponseEncoder]

_DELTAS: Final = (ContentDelta, ReasoningDelta, ToolCallBegin, ToolInputDelta)
# Silent unless the settings enable it.
_prompt_log = logging.getLogger("forefront.prompts")


@dataclass(frozen=True)
class CompletionApi(Generic[P]):
    """The part of an endpoint that is its API's own: the request parser and the response encoder."""

    parse: Callable[[bytes | bytearray], P]
    encoder: MakeEncoder[P]


CHAT: CompletionApi[ParsedRequest[ChatRequest]] = CompletionApi(
    parse_chat_request, lambda parsed, model, memory: ChatCompletionEncoder(parsed.request, model, memory)
)
TEXT: CompletionApi[ParsedRequest[CompletionRequest]] = CompletionApi(
    parse_completion_request, lambda parsed, model, memory: TextCompletionEncoder(parsed.request, model, memory)
)


class CompletionService:
    """The steps that all APIs share: parse → find the model → load → prepare → admit → run → settle → send. With a
    `key_revocation`, a response ends with its key."""

    def __init__(
        self,
        catalog: Catalog,
        gateway: Gateway,
        workers: WorkerPool,
        keepalive_seconds: float = 5.0,
        key_revocation: KeyRevocation | None = None,
    ) -> None:
        self._catalog = catalog
        self._gateway = gateway
        self._workers = workers
        self._key_revocation = key_revocation
        self._keepalive_seconds = keepalive_seconds
        self._senders: dict[tuple[str, str], ResponseSender] = {}  # by project and completion

    def read(self, scope: Scope, receive: Receive, parse: Callable[[bytes | bytearray], T]) -> Awaitable[T | None]:
        """The parsed request; None if the client disconnects before it is parsed. Raises `RequestError`."""
        return read_request(scope, receive, parse, self._gateway, self._workers)

    async def respond(
        self, scope: Scope, receive: Receive, send: Send, parsed: P, make_encoder: MakeEncoder[P]
    ) -> None:
        """Send the response to a parsed request. Raises `RequestError` for one that fails before the response has
        begun, with the field names of its API."""
        request, context = parsed.request, request_context(scope)
        principal = context.principal
        try:
            found = find_model(self._catalog, principal, request.model)
        except RequestError as error:
            rename_fields(error, parsed.field_name)
            raise
        model, others = ModelUse(found), fallbacks_of(self._catalog, found, principal.key.models)
        headers = ignored_header(parsed.ignored)
        encoder = make_encoder(parsed, model, ResponseMemory(context.memory.grow))
        if _prompt_log.isEnabledFor(logging.INFO):
            prompt = request.messages if isinstance(request, ChatRequest) else request.prompt
            _prompt_log.info("prompt", extra={"completion": encoder.id, "prompt": prompt})
        with self._gateway.admit(principal, model.name, encoder.id) as lease, model:
            models = FallbackModels(model, others, self._gateway, lease)
            events = answer(parsed, models, principal.tenant, lease, headers)
            sender = ResponseSender(scope, send, encoder, lease, headers)
            sending = sender.stream(events, self._keepalive_seconds) if request.stream else sender.whole(events)
            name = principal.project.name, encoder.id
            self._senders[name] = sender
            if self._key_revocation is not None:
                self._key_revocation.add(principal, sender)
            try:
                await while_connected(scope, receive, sending)
            finally:
                del self._senders[name]
                if self._key_revocation is not None:
                    self._key_revocation.remove(sender)

    def check(self, principal: Principal, model: str) -> str:
        """The full name of the model. Raises `RequestError` if the key may not use it or make one more
        request."""
        name = find_model(self._catalog, principal, model).name
        principal.require_model(name)
        self._gateway.check(principal)
        return name

    def cancel(self, project: str, completion_id: str) -> bool:
        """End a running request of the project with the error `request_cancelled`. Whether there was one."""
        sender = self._senders.get((project, completion_id))
        if sender is not None:
            text = "The request was cancelled by its client."
            sender.cancel(RequestError("request_cancelled", text, retryable=False))
        return sender is not None


class CompletionsEndpoint(Generic[P]):
    """The endpoint of an API, as an ASGI application, since it has to see the client disconnect."""

    def __init__(self, api: CompletionApi[P], service: CompletionService) -> None:
        self._api = api
        self._service = service

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        parsed = await self._service.read(scope, receive, self._api.parse)
        if parsed is not None:
            await self._service.respond(scope, receive, send, parsed, self._api.encoder)


async def answer(
    parsed: ParsedRequest[Any], models: FallbackModels, tenant: Tenant, lease: Lease, headers: dict[str, str]
) -> AsyncGenerator[Event, None]:
    """The events of a request: load → prepare → admit → run → settle.

    A model that fails before its first event is followed by its fallback. The last end of a choice and `Completed` come
    once the request's row is in the ledger. `headers` receives what the preparation adds to the response's. Raises
    `RequestError`, with the field names of the request's API.
    """
    deadline = _deadline(parsed)
    ends, began = list[ChoiceEnd](), False
    if lease.recorder.tracer is not None:
        start_span(lease, parsed.request)
    try:
        while True:
            prepared = await _admit(parsed, models, tenant, lease, headers, deadline)
            run = models.use.backend.run(prepared, deadline)
            try:
                async with aclosing(run.events) as events:
                    async for event in events:
                        if not began:
                            began = True
                            run.computed.add_done_callback(lambda sampled: lease.end_turn(sampled.result()))
                        if isinstance(event, _DELTAS):  # first, since nearly all events are deltas
                            lease.recorder.delta(event.index)
                        elif isinstance(event, ChoiceEnd):
                            ends.append(event)
                            continue
                        elif isinstance(event, Completed):
                            _record(run, lease)
                            await lease.settle("completed", ends[-1].reason if ends else None)
                        else:
                            lease.recorder.first_token()
                        if ends:
                            for end in ends:
                                yield end
                            ends.clear()
                        yield event
                return
            except RequestError as error:
                if began:
                    raise
                models.fall_back(error)
            finally:
                _record(run, lease)
    except Exception as error:
        lease.fail(error)
        if isinstance(error, RequestError):
            rename_fields(error, parsed.field_name)
        raise


def _deadline(parsed: ParsedRequest[Any]) -> float | None:
    """The end of the answer, on the event loop's clock."""
    milliseconds = parsed.request.deadline_ms
    return None if milliseconds is None else asyncio.get_running_loop().time() + milliseconds / 1000


async def _admit(
    parsed: ParsedRequest[Any],
    models: FallbackModels,
    tenant: Tenant,
    lease: Lease,
    headers: dict[str, str],
    deadline: float | None,
) -> PreparedRequest:
    """Prepare the request, for a fallback if the model fails, and wait for its turn. Raises `RequestError`."""
    if deadline is not None:
        try:
            async with asyncio.timeout_at(deadline):
                return await _admit(parsed, models, tenant, lease, headers, None)
        except TimeoutError:
            raise RequestError("deadline_exceeded", "The deadline was over before the answer could begin.") from None
    prepared = await _prepare(parsed, models, tenant, headers)
    await lease.admit(prepared.prompt_tokens, prepared.max_output_tokens)
    return prepared


async def _prepare(
    parsed: ParsedRequest[Any], models: FallbackModels, tenant: Tenant, headers: dict[str, str]
) -> PreparedRequest:
    """Load the model and prepare the request for it, or for the first fallback with which that succeeds."""
    while True:
        try:
            await models.use.wait()
            backend = models.use.backend
            ignored = parsed.ignored + tuple(map(parsed.field_name, backend.ignored(parsed.request)))
            prepared: PreparedRequest = await backend.prepare(parsed.request, tenant)
        except RequestError as error:
            models.fall_back(error)
            continue
        headers.clear()
        headers |= ignored_header(ignored)
        headers |= models.headers()
        headers |= unenforced_header(list(map(parsed.field_name, prepared.unenforced)))
        return prepared


def _record(run: Run, lease: Lease) -> None:
    """Copy the usage of a run to its lease."""
    usage = run.usage
    if usage.prompt_tokens is not None:
        lease.input_tokens, lease.estimated = usage.prompt_tokens, usage.estimated
    lease.cached_tokens, lease.output_tokens = usage.cached_tokens, usage.output_tokens
    lease.reasoning_tokens, lease.started = usage.reasoning_tokens, usage.started
