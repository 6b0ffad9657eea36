"""`GET /health`: the process is alive. `GET /ready`: every model generates tokens. Neither needs a key."""

import asyncio
from collections.abc import Awaitable, Callable

import msgspec
from starlette.requests import Request
from starlette.responses import Response

from forefront.catalog.catalog import Catalog
from forefront.wire.completions.response import Health
from forefront.wire.errors import RequestError

# A healthy engine samples its next token within milliseconds to a few seconds, however many requests it runs.
_READY_TIMEOUT = 10.0


async def health(_request: Request) -> Response:
    """The handler of `GET /health`. It does not look at the models."""
    return _response(Health(status="ok"))


def make_ready(catalog: Catalog) -> Callable[[Request], Awaitable[Response]]:
    """The handler of `GET /ready`. It has each model generate a token, unless it has just generated one."""

    async def ready(_request: Request) -> Response:
        try:
            await asyncio.wait_for(catalog.probe(), _READY_TIMEOUT)
        except Exception as error:
            raise RequestError("not_ready", "No token could be generated; see the server log.") from error
        return _response(Health(status="ready"))

    return ready


def _response(health: Health) -> Response:
    return Response(msgspec.json.encode(health), media_type="application/json")
