"""`POST /v1/responses`: the request, with the responses that it continues, and the three kinds of answers; its
`input_tokens` as a preflight."""

from typing import Final

import msgspec
from starlette.types import Receive, Scope, Send

from forefront.gateway.gateway import Gateway
from forefront.gateway.store.response_store import Chain
from forefront.server.http.request_context import request_context
from forefront.server.responses.background import BackgroundRuns
from forefront.server.responses.responses_encoder import ResponsesEncoder
from forefront.server.responses.stored_responses import StoredResponses
from forefront.server.routes.completions import CompletionService
from forefront.server.routes.preflight import PreflightApi
from forefront.server.sending.send_body import ChunkedResponse
from forefront.wire.errors import RequestError
from forefront.wire.responses import response as wire
from forefront.wire.responses.chat_request import ParsedResponse, ParsedSource, to_chat_request
from forefront.wire.responses.items import ItemReference
from forefront.wire.responses.parse import parse_request


def parse_response_request(body: bytes | bytearray) -> ParsedResponse | ParsedSource:
    """The chat request of a body; for one that refers to stored responses, the request alone. Raises `RequestError`
    (400, 422)."""
    source, ignored = parse_request(body)
    refers = not isinstance(source.input, str) and any(isinstance(item, ItemReference) for item in source.input)
    if refers or source.previous_response_id is not None or source.conversation is not None:
        return ParsedSource(source, ignored)
    return to_chat_request(source, ignored)


def parse_input_tokens_request(body: bytes | bytearray) -> ParsedResponse:
    """The chat request of a body whose tokens are counted. Raises `RequestError` (400, 422), also for one that refers
    to what is stored."""
    read = parse_response_request(body)
    if isinstance(read, ParsedResponse):
        return read
    fields = {"previous_response_id": read.source.previous_response_id, "conversation": read.source.conversation}
    name = next((name for name, value in fields.items() if value is not None), "input")
    text = f"`{name}` is not supported: stored items are not counted here. Send the items in `input`."
    raise RequestError("unsupported_parameter", text, param=name)


INPUT_TOKENS: Final = PreflightApi(
    parse_input_tokens_request, lambda preflight: wire.InputTokenCount(input_tokens=preflight.prompt_tokens)
)


class ResponsesEndpoint:
    """The endpoint, as an ASGI application."""

    def __init__(
        self, service: CompletionService, stored: StoredResponses, background: BackgroundRuns, gateway: Gateway
    ) -> None:
        self._gateway = gateway
        self._service = service
        self._stored = stored
        self._background = background

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        read = await self._service.read(scope, receive, parse_response_request)
        if read is None:
            return
        source = read.source
        if source.store is None:
            source.store = self._stored.default
        if source.background and not source.store:
            raise RequestError("invalid_value", "`background` needs `store`: send it as true.", param="background")
        stores = source.store or source.conversation is not None
        if isinstance(read, ParsedResponse) and not stores:
            await self._service.respond(scope, receive, send, read, ResponsesEncoder)
            return
        parsed, chain = await self._read_store(scope, read, stores=stores)
        if source.background:
            await self._respond_in_background(scope, receive, send, parsed, chain)
        elif stores:
            await self._respond_and_store(scope, receive, send, parsed, chain)
        else:
            await self._service.respond(scope, receive, send, parsed, ResponsesEncoder)

    async def _read_store(
        self, scope: Scope, read: ParsedResponse | ParsedSource, *, stores: bool
    ) -> tuple[ParsedResponse, Chain]:
        """Read the stored data that the request refers to. A request that the store refuses is counted here, because it
        gets no lease. Raises `RequestError`."""
        principal = request_context(scope).principal
        self._service.check(principal, read.source.model)
        try:
            with self._gateway.reading(principal):
                parsed, chain = await self._with_history(scope, read)
                if stores:
                    await self._stored.check_room(principal.tenant, parsed)
        except RequestError as error:
            error.rate_limits = await self._gateway.count_request(principal)
            raise
        return parsed, chain

    async def _with_history(self, scope: Scope, read: ParsedResponse | ParsedSource) -> tuple[ParsedResponse, Chain]:
        """The request with the items that it continues, and the length of a chain of responses."""
        chain, context = Chain(), request_context(scope)
        if isinstance(read, ParsedResponse):
            return read, chain
        tenant, source = context.principal.tenant, read.source
        if source.previous_response_id is not None:
            chain = await self._stored.chain(tenant, source.previous_response_id)
            context.memory.grow(4 * chain.size)
        elif source.conversation_id is not None:
            context.memory.grow(4 * await self._stored.conversation_size(tenant, source.conversation_id))
        return await self._stored.history(tenant, read, chain), chain

    async def _respond_and_store(
        self, scope: Scope, receive: Receive, send: Send, parsed: ParsedResponse, chain: Chain
    ) -> None:
        tenant = request_context(scope).principal.tenant

        async def save(response: wire.Response) -> None:
            await self._stored.add(tenant, parsed, response, chain)

        await self._service.respond(
            scope,
            receive,
            send,
            parsed,
            lambda parsed, model, memory: ResponsesEncoder(parsed, model, memory, save=save),
        )

    async def _respond_in_background(
        self, scope: Scope, receive: Receive, send: Send, parsed: ParsedResponse, chain: Chain
    ) -> None:
        queued, run = await self._background.start(scope, parsed, chain)
        if parsed.source.stream:
            await self._background.play(run, scope, receive, send)
        else:
            answer = ChunkedResponse(msgspec.json.encode(queued), media_type="application/json")
            await answer(scope, receive, send)
