"""`POST /v1/tokenize` and `POST /v1/detokenize`."""

from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Final, Generic, TypeVar

import msgspec
from starlette.types import Receive, Scope, Send

from forefront.catalog.catalog import Catalog, ModelUse
from forefront.fairness.tenant import Tenant
from forefront.fairness.worker_pool import WorkerPool
from forefront.gateway.gateway import Gateway
from forefront.server.http.disconnect import while_connected
from forefront.server.http.error_response import rate_limit_headers
from forefront.server.http.request_context import RequestContext, request_context
from forefront.server.routes.models import find_model
from forefront.server.routes.request_body import read_request
from forefront.server.sending.json_pieces import encode_in_pieces, encoded_size
from forefront.server.sending.response_sender import ignored_header
from forefront.server.sending.send_body import send_json
from forefront.wire.completions.parse import ParsedRequest
from forefront.wire.errors import RequestError
from forefront.wire.parse_tokens import parse_detokenize_request, parse_tokenize_request
from forefront.wire.tokens import (
    MAX_TOKENS,
    DetokenizeRequest,
    DetokenizeResult,
    TokenizeRequest,
    TokenizeResult,
)

R = TypeVar("R", bound=TokenizeRequest | DetokenizeRequest)


async def tokenize(request: TokenizeRequest, model: ModelUse, tenant: Tenant) -> TokenizeResult:
    """The tokens of a text or a conversation."""
    result = await model.backend.tokenize(request, tenant)
    if len(result.tokens) > MAX_TOKENS:
        text = f"The text has {len(result.tokens)} tokens; at most {MAX_TOKENS} are shown."
        raise RequestError("invalid_value", text, param="prompt")
    return TokenizeResult(
        model=model.name,
        count=len(result.tokens),
        max_model_len=model.backend.context_length,
        tokens=result.tokens,
        token_strs=result.texts,
    )


async def detokenize(request: DetokenizeRequest, model: ModelUse, tenant: Tenant) -> DetokenizeResult:
    """The text of tokens."""
    text = await model.backend.detokenize(request.tokens, tenant)
    return DetokenizeResult(model=model.name, prompt=text, content=text)


@dataclass(frozen=True)
class TokenApi(Generic[R]):
    """The differences between the two endpoints."""

    parse: Callable[[bytes | bytearray], ParsedRequest[R]]
    result: Callable[[R, ModelUse, Tenant], Awaitable[msgspec.Struct]]


TOKENIZE: TokenApi[TokenizeRequest] = TokenApi(parse_tokenize_request, tokenize)
DETOKENIZE: TokenApi[DetokenizeRequest] = TokenApi(parse_detokenize_request, detokenize)


# Bytes of JSON that are encoded in about a millisecond.
_SMALL: Final = 2**16


class TokensEndpoint(Generic[R]):
    """The endpoint, as an ASGI application: it ends when the client disconnects.

    A call is free and has no row in the ledger. It counts as a request of its key and project, like a preflight.
    """

    def __init__(self, api: TokenApi[R], catalog: Catalog, gateway: Gateway, workers: WorkerPool) -> None:
        self._api = api
        self._catalog = catalog
        self._gateway = gateway
        self._workers = workers

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        parsed = await read_request(scope, receive, self._api.parse, self._gateway, self._workers)
        if parsed is not None:
            await while_connected(scope, receive, self._answer(parsed, request_context(scope), send))

    async def _answer(self, parsed: ParsedRequest[R], context: RequestContext, send: Send) -> None:
        principal = context.principal
        model = ModelUse(find_model(self._catalog, principal, parsed.request.model))
        with self._gateway.admit(principal, model.name, "") as lease, model:
            await lease.count()
            await model.wait()
            result = await self._api.result(parsed.request, model, principal.tenant)
            size = encoded_size(result)
            if size <= _SMALL:
                content = msgspec.json.encode(result)
            else:
                context.memory.grow(size)
                content = await self._workers.run(principal.tenant, size, lambda: encode_in_pieces(result))
            headers = ignored_header(parsed.ignored) | rate_limit_headers(lease.rate_limits())
        await send_json(send, content, headers)
