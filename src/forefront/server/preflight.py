"""`POST /v1/chat/completions/preflight`: what a chat request would meet, without answering it."""

from collections.abc import Awaitable, Callable

import msgspec
from starlette.requests import Request
from starlette.responses import Response

from forefront.catalog.catalog import Catalog
from forefront.gateway.principal import Principal
from forefront.gateway.turns import Turns
from forefront.server.body import parse_body, read_json_body
from forefront.server.completions import ignored_header
from forefront.wire.parse import parse_chat_request
from forefront.wire.response import Preflight


def make_preflight(catalog: Catalog, turns: Turns) -> Callable[[Request], Awaitable[Response]]:
    """The handler. It counts towards no limit, and costs nothing."""

    async def preflight(request: Request) -> Response:
        parsed = await parse_body(parse_chat_request, await read_json_body(request.scope, request.receive))
        model = catalog.get(parsed.request.model)
        principal: Principal = request.scope["principal"]
        principal.need_model(model.name)
        seen = await model.backend.foresee(parsed.request, principal.tenant)
        context = model.backend.context_length
        left = max(context - seen.prompt_tokens, 0)
        excess = max(seen.prompt_tokens + (seen.max_tokens or 1) - context, 0)
        ahead, wait = turns.outlook_for_next(principal.project.name, principal.project.weight)
        answer = Preflight(
            model=model.name,
            prompt=seen.prompt,
            prompt_tokens=seen.prompt_tokens,
            cached_tokens=seen.cached_tokens,
            context_length=context,
            max_tokens=left,
            fits=excess == 0,
            excess=excess,
            ahead=ahead,
            wait_seconds=round(wait, 3),
        )
        return Response(msgspec.json.encode(answer), 200, ignored_header(parsed.ignored), "application/json")

    return preflight
