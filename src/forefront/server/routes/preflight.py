"""`POST /v1/chat/completions/preflight`: what a chat request would meet, without answering it."""

import msgspec
from starlette.types import Receive, Scope, Send

from forefront.catalog.catalog import Catalog, ServedModel
from forefront.chat.backend import Foresight
from forefront.fairness.tenant import Tenant
from forefront.fairness.worker_pool import WorkerPool
from forefront.gateway.gateway import Gateway
from forefront.gateway.keys.principal import Principal
from forefront.server.http.body import process_body, read_json_body
from forefront.server.http.disconnect import while_connected
from forefront.server.http.headers import raw
from forefront.server.response.send_body import send_body
from forefront.server.routes.completions import ignored_header
from forefront.server.routes.models import find_model
from forefront.wire.parse import parse_chat_request
from forefront.wire.response import Preflight


class Preflights:
    """The endpoint, as an ASGI application: it ends when the client leaves.

    A preflight costs nothing and is in no ledger. It counts as a request of its key and project while it runs and for
    the minute after, since it takes the work of preparing one.
    """

    def __init__(self, catalog: Catalog, gateway: Gateway, workers: WorkerPool) -> None:
        self._catalog = catalog
        self._gateway = gateway
        self._workers = workers

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        self._gateway.check(scope["principal"])
        with self._gateway.reading(scope["principal"]):
            work = self._answer(scope, await read_json_body(scope, receive), send)
        await while_connected(receive, work)

    async def _answer(self, scope: Scope, body: bytes, send: Send) -> None:
        principal: Principal = scope["principal"]
        with self._gateway.reading(principal):
            parsed = await process_body(parse_chat_request, body, self._workers, principal.tenant)
        model = find_model(self._catalog, principal, parsed.request.model)
        with self._gateway.admit(principal, model.name, "") as lease:
            await lease.count()
            seen = await model.backend.foresee(parsed.request, principal.tenant)
            content = msgspec.json.encode(self._preflight(model, seen, principal.tenant))
            headers = ignored_header(parsed.ignored) | lease.headers()
        headers |= {"content-type": "application/json", "content-length": str(len(content))}
        await send({"type": "http.response.start", "status": 200, "headers": raw(headers)})
        await send_body(send, content)

    def _preflight(self, model: ServedModel, seen: Foresight, tenant: Tenant) -> Preflight:
        context = model.backend.context_length
        excess = max(seen.prompt_tokens + (seen.max_tokens or 1) - context, 0)
        ahead, wait = self._gateway.turns.estimate_next(tenant.name, tenant.weight)
        return Preflight(
            model=model.name,
            prompt=seen.prompt,
            prompt_tokens=seen.prompt_tokens,
            cached_tokens=seen.cached_tokens,
            context_length=context,
            max_tokens=max(context - seen.prompt_tokens, 0),
            fits=excess == 0,
            excess=excess,
            ahead=ahead,
            wait_seconds=round(wait, 3),
        )
