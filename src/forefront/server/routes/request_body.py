"""A request's body, read and parsed: the first step of completions and preflights."""

from collections.abc import Callable
from typing import TypeVar

from starlette.types import Receive, Scope

from forefront.fairness.worker_pool import WorkerPool
from forefront.gateway.gateway import Gateway
from forefront.server.http.body import has_arrived, is_small, parse_body, read_json_body
from forefront.server.http.disconnect import while_connected
from forefront.server.http.request_context import request_context

T = TypeVar("T")


async def read_request(
    scope: Scope, receive: Receive, parse: Callable[[bytes | bytearray], T], gateway: Gateway, workers: WorkerPool
) -> T | None:
    """The parsed body; None if the client disconnects before it is parsed. Raises `RequestError`.

    The request is refused before its body is read if the gateway has no room for one more. Meanwhile it counts towards
    the limits of concurrent requests.
    """
    context = request_context(scope)
    gateway.check(context.principal)
    if has_arrived(scope):
        body = await read_json_body(scope, receive)
    else:
        with gateway.reading(context.principal):
            body = await read_json_body(scope, receive)
    if is_small(body):
        return parse(body)
    with gateway.reading(context.principal):  # a slow body has been authenticated again
        parsing = parse_body(parse, body, context.memory, workers, context.principal.tenant)
        return await while_connected(scope, receive, parsing)
