"""`GET /health`: the process answers. `GET /ready`: every model generates tokens. Neither needs a key."""

import asyncio
from collections.abc import Awaitable, Callable

import msgspec
from starlette.requests import Request
from starlette.responses import Response

from forefront.catalog.catalog import Catalog
from forefront.wire.errors import ApiError
from forefront.wire.response import Health

# A healthy engine samples its next token within milliseconds to a few seconds, however many requests it runs.
_READY_TIMEOUT = 10.0


async def health(_request: Request) -> Response:
    """Alive; says nothing of the models."""
    return _answer(Health(status="ok"))


def make_ready(catalog: Catalog) -> Callable[[Request], Awaitable[Response]]:
    """The handler that has a token generated, or relies on one that has just been."""

    async def ready(_request: Request) -> Response:
        try:
            await asyncio.wait_for(catalog.probe(), _READY_TIMEOUT)
        except Exception as error:
            raise ApiError("not_ready", "No token could be generated; the server's log may say why.") from error
        return _answer(Health(status="ready"))

    return ready


def _answer(health: Health) -> Response:
    return Response(msgspec.json.encode(health), media_type="application/json")
