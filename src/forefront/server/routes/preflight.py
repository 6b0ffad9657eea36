"""The tokens and the wait of a chat request, without an answer: `POST /v1/chat/completions/preflight`, and the counting
of tokens by other APIs."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Final

import msgspec
from starlette.types import Receive, Scope, Send

from forefront.catalog.catalog import Catalog, ModelUse
from forefront.chat.backend import PromptPreview
from forefront.fairness.worker_pool import WorkerPool
from forefront.gateway.gateway import Gateway
from forefront.gateway.keys.principal import Principal
from forefront.server.http.disconnect import while_connected
from forefront.server.http.error_response import rate_limit_headers
from forefront.server.http.request_context import request_context
from forefront.server.routes.models import find_model
from forefront.server.routes.request_body import read_request
from forefront.server.sending.response_sender import ignored_header
from forefront.server.sending.send_body import send_json
from forefront.wire.completions.parse import ParsedRequest, parse_chat_request
from forefront.wire.completions.request import ChatRequest
from forefront.wire.completions.response import Preflight
from forefront.wire.parsing.field_names import renamed_fields


@dataclass(frozen=True)
class PreflightApi:
    """The request parser of an API, and its response to a preflight, which is sent as JSON."""

    parse: Callable[[bytes | bytearray], ParsedRequest[ChatRequest]]
    response: Callable[[Preflight], Any]


CHAT_PREFLIGHT: Final = PreflightApi(parse_chat_request, lambda preflight: preflight)


class PreflightEndpoint:
    """The endpoint, as an ASGI application: it ends when the client disconnects.

    A preflight is free and has no row in the ledger. It counts as a request of its key and project while it runs and
    for the minute after, since it takes the work of preparing one.
    """

    def __init__(self, api: PreflightApi, catalog: Catalog, gateway: Gateway, workers: WorkerPool) -> None:
        self._api = api
        self._catalog = catalog
        self._gateway = gateway
        self._workers = workers

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        parsed = await read_request(scope, receive, self._api.parse, self._gateway, self._workers)
        if parsed is not None:
            await while_connected(scope, receive, self._answer(parsed, request_context(scope).principal, send))

    async def _answer(self, parsed: ParsedRequest[ChatRequest], principal: Principal, send: Send) -> None:
        with renamed_fields(parsed.field_name):
            model = ModelUse(find_model(self._catalog, principal, parsed.request.model))
            with self._gateway.admit(principal, model.name, "") as lease, model:
                await lease.count()
                await model.wait()
                preview = await model.backend.preview(parsed.request, principal.tenant)
                content = msgspec.json.encode(self._api.response(self._preflight(model, preview, principal)))
                without_effect = tuple(map(parsed.field_name, model.backend.ignored(parsed.request)))
                headers = ignored_header(parsed.ignored + without_effect) | rate_limit_headers(lease.rate_limits())
        await send_json(send, content, headers)

    def _preflight(self, model: ModelUse, preview: PromptPreview, principal: Principal) -> Preflight:
        context = model.backend.context_length
        excess = max(preview.prompt_tokens + (preview.max_tokens or 1) - context, 0)
        ahead, wait = self._gateway.wait_estimate(principal)
        return Preflight(
            model=model.name,
            prompt=preview.text,
            prompt_tokens=preview.prompt_tokens,
            cached_tokens=preview.cached_tokens,
            context_length=context,
            max_tokens=max(context - preview.prompt_tokens, 0),
            fits=excess == 0,
            excess=excess,
            ahead=ahead,
            wait_seconds=round(wait, 3),
        )
