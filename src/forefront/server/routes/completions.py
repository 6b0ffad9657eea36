"""`POST /v1/chat/completions` and `POST /v1/completions`: the way of a request, step by step."""

import asyncio
import logging
from collections.abc import AsyncGenerator, Callable
from contextlib import aclosing, nullcontext
from dataclasses import dataclass
from time import monotonic
from typing import Any, Generic, TypeVar

from starlette.types import Receive, Scope, Send

from forefront.catalog.catalog import Catalog, ModelUse
from forefront.chat.backend import Run
from forefront.chat.events import ChoiceEnd, Completed, Event, Started
from forefront.fairness.tenant import Tenant
from forefront.fairness.worker_pool import WorkerPool
from forefront.gateway.gateway import Gateway
from forefront.gateway.lease import Lease
from forefront.observability.request_recorder import MAX_TIMES
from forefront.server.http.disconnect import while_connected
from forefront.server.http.request_context import request_context
from forefront.server.response.chat_encoder import ChatCompletionEncoder
from forefront.server.response.response_encoder import ResponseEncoder
from forefront.server.response.response_sender import ResponseSender, ignored_header, unenforced_header
from forefront.server.response.text_encoder import TextCompletionEncoder
from forefront.server.routes.models import find_model
from forefront.server.routes.request_body import read_request
from forefront.server.routes.request_span import start_span
from forefront.wire.errors import ApiError
from forefront.wire.parse import ParsedRequest, parse_chat_request, parse_completion_request
from forefront.wire.request import ChatRequest, CompletionRequest

R = TypeVar("R", bound=ChatRequest | CompletionRequest)

# Silent unless the settings enable it.
_prompt_log = logging.getLogger("forefront.prompts")


@dataclass(frozen=True)
class CompletionApi(Generic[R]):
    """The differences between the two endpoints: request parser, response encoder, and the prompt in a request."""

    parse: Callable[[bytes | bytearray], ParsedRequest[R]]
    encoder: Callable[[R, ModelUse], ResponseEncoder]
    prompt: Callable[[R], Any]


CHAT: CompletionApi[ChatRequest] = CompletionApi(
    parse_chat_request, ChatCompletionEncoder, lambda request: request.messages
)
TEXT: CompletionApi[CompletionRequest] = CompletionApi(
    parse_completion_request, TextCompletionEncoder, lambda request: request.prompt
)


class CompletionsEndpoint(Generic[R]):
    """The endpoint, as an ASGI application, since it has to see the client disconnect.

    parse → find the model → load → prepare → admit → run → settle → send
    """

    def __init__(
        self,
        api: CompletionApi[R],
        catalog: Catalog,
        gateway: Gateway,
        workers: WorkerPool,
        keepalive_seconds: float = 5.0,
    ) -> None:
        self._api = api
        self._catalog = catalog
        self._gateway = gateway
        self._workers = workers
        self._keepalive_seconds = keepalive_seconds

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        parsed = await read_request(scope, receive, self._api.parse, self._gateway, self._workers)
        if parsed is None:
            return
        request, principal = parsed.request, request_context(scope).principal
        model = find_model(self._catalog, principal, request.model).use()
        headers = ignored_header(parsed.ignored)
        encoder = self._api.encoder(request, model)
        if _prompt_log.isEnabledFor(logging.INFO):
            _prompt_log.info("prompt", extra={"completion": encoder.id, "prompt": self._api.prompt(request)})
        with self._gateway.admit(principal, model.name, encoder.id) as lease, model:
            events = answer(parsed, model, principal.tenant, lease, headers)
            sender = ResponseSender(scope, send, encoder, lease, headers, model.progress)
            sending = sender.stream(events, self._keepalive_seconds) if request.stream else sender.whole(events)
            await while_connected(receive, sending)


async def answer(
    parsed: ParsedRequest[Any],
    model: ModelUse,
    tenant: Tenant,
    lease: Lease,
    headers: dict[str, str],
) -> AsyncGenerator[Event, None]:
    """The events of a request: load → prepare → admit → run → settle.

    The last end of a choice and `Completed` come once the request's row is in the ledger. `headers` receives what the
    preparation adds to the response's. Raises `ApiError`.
    """
    request: ChatRequest | CompletionRequest = parsed.request
    milliseconds = request.deadline_ms
    deadline = None if milliseconds is None else asyncio.get_running_loop().time() + milliseconds / 1000
    ends: list[ChoiceEnd] = []
    recorder, delta_times = lease.recorder, lease.recorder.delta_times
    if recorder.tracer is not None:
        start_span(lease, request)
    try:
        try:
            async with nullcontext() if deadline is None else asyncio.timeout_at(deadline):
                await model.wait()
                backend = model.backend
                headers |= ignored_header(parsed.ignored + backend.ignored(request))
                prepared = await backend.prepare(request, tenant)
                headers |= unenforced_header(prepared.unenforced)
                await lease.admit(prepared.prompt_tokens, prepared.max_output_tokens)
        except TimeoutError:
            text = "The deadline was over before the answer could begin."
            raise ApiError("deadline_exceeded", text) from None
        run = backend.run(prepared, deadline)
        run.computed.add_done_callback(lambda sampled: lease.end_turn(sampled.result()))
        try:
            async with aclosing(run.events) as events:
                async for event in events:
                    if isinstance(event, ChoiceEnd):
                        ends.append(event)
                        continue
                    if isinstance(event, Completed):
                        _record(run, lease)
                        await lease.settle("completed", ends[-1].reason if ends else None)
                    elif isinstance(event, Started):
                        recorder.first_token()
                    elif event.index == 0:
                        delta_times.append(monotonic())
                        if len(delta_times) > MAX_TIMES:
                            recorder.count_deltas()
                    else:
                        recorder.other_delta(event.index)
                    for end in ends:
                        yield end
                    ends.clear()
                    yield event
        finally:
            _record(run, lease)
    except Exception as error:
        lease.fail(error)
        raise


def _record(run: Run, lease: Lease) -> None:
    """Copy the usage of a run to its lease."""
    usage = run.usage
    if usage.prompt_tokens is not None:
        lease.input_tokens, lease.estimated = usage.prompt_tokens, usage.estimated
    lease.cached_tokens, lease.output_tokens = usage.cached_tokens, usage.output_tokens
    lease.reasoning_tokens, lease.started = usage.reasoning_tokens, usage.started
