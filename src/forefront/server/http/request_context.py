"""The request context: the data of one request beside its ASGI scope."""

from collections import Counter
from typing import Final, Protocol

from starlette.types import Scope

from forefront.gateway.keys.principal import Principal
from forefront.server.http.api_conventions import OPENAI, ApiConventions
from forefront.server.http.body_memory import RequestMemory

# The key of the context in the scope.
_KEY: Final = "forefront.context"


class Authenticator(Protocol):
    """Identifies the client of a request."""

    async def authenticate(self, scope: Scope) -> Principal:
        """The holder of the request's API key. Raises `RequestError`: 401 without a valid key, 403 without the
        scope."""


class RequestContext:
    """The id of one request, the memory that it holds, the conventions of its API and, on paths that need a key, the
    key's holder. `status` is that of the response once it has begun, before that 0. `errors` counts the error responses
    of the server by code."""

    def __init__(
        self,
        request_id: str,
        memory: RequestMemory,
        conventions: ApiConventions = OPENAI,
        errors: Counter[str] | None = None,
    ) -> None:
        self.request_id = request_id
        self.memory = memory
        self.conventions = conventions
        self.status = 0
        self.errors: Counter[str] = Counter() if errors is None else errors
        self._authenticator: Authenticator | None = None
        self._principal: Principal | None = None

    @property
    def principal(self) -> Principal:
        """The holder of the API key."""
        assert self._principal is not None, "this path needs no key"
        return self._principal

    @property
    def authenticated(self) -> bool:
        """Whether there is a `principal`."""
        return self._principal is not None

    async def authenticate(self, scope: Scope, authenticator: Authenticator) -> None:
        """Set the principal. Raises what `authenticator` raises."""
        self._authenticator = authenticator
        self._principal = await authenticator.authenticate(scope)

    async def authenticate_again(self, scope: Scope) -> None:
        """Renew the principal of a request that has waited for its client: its key may have been revoked."""
        if self._authenticator is not None:
            await self.authenticate(scope, self._authenticator)

    def with_memory(self, memory: RequestMemory) -> "RequestContext":
        """The same request, with other memory."""
        context = RequestContext(self.request_id, memory, self.conventions, self.errors)
        context._authenticator, context._principal = self._authenticator, self._principal
        return context


def request_context(scope: Scope) -> RequestContext:
    """The context of the request."""
    context: RequestContext = scope[_KEY]
    return context


def set_request_context(scope: Scope, context: RequestContext) -> None:
    """Put the context into the request's scope."""
    scope[_KEY] = context
