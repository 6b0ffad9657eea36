"""Scopes of requests, as the middleware leaves them."""

from typing import Any

from starlette.types import Scope

from forefront.server.http.body_memory import BodyMemory, RequestMemory
from forefront.server.http.request_context import RequestContext, set_request_context


def authenticate_as(scope: Scope, principal: Any, body_memory: BodyMemory | None = None) -> None:
    """Give the scope a request context with this principal."""
    context = RequestContext("req_1", RequestMemory(body_memory or BodyMemory()))
    context._principal = principal
    set_request_context(scope, context)
