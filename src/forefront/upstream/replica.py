"""The servers of an upstream model, and the choice of one for each attempt."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Protocol

import msgspec

from forefront.fairness.tenant import Tenant
from forefront.upstream.errors import UpstreamError
from forefront.wire.admin.records import ReplicaStatus
from forefront.wire.completions.request import ChatRequest, CompletionRequest


@dataclass(frozen=True, slots=True)
class UpstreamReplica:
    """One server. `name` is shown to clients (`big/1`: the model, and the position in the settings); `base_url`, which
    ends before `/chat/completions`, and `key` are not."""

    name: str
    base_url: str
    key: str | None = field(default=None, repr=False)


class RoutedRequest(msgspec.Struct, frozen=True):
    """The input of the choice of a replica. `tokens` bounds prompt and answer together."""

    request: ChatRequest | CompletionRequest
    tenant: Tenant
    tokens: int


class Attempt(Protocol):
    """One request at one replica, from the choice to the end."""

    @property
    def replica(self) -> UpstreamReplica:
        """Where to send the request."""

    def begin(self) -> None:
        """The first part of the answer has arrived: from here on the request is not tried elsewhere."""

    def end(self, failure: UpstreamError | None) -> None:
        """The attempt is over: answered, left by the client (both None), or failed. Called exactly once."""


class Replicas(Protocol):
    """Chooses the replica of each attempt."""

    def start(self) -> None:
        """Begin to watch the replicas, on the running event loop."""

    async def close(self) -> None:
        """Stop."""

    def status(self) -> list[ReplicaStatus]:
        """The state of each replica, for administrators."""

    async def choose(self, routed: RoutedRequest, failures: Sequence[UpstreamError]) -> Attempt:
        """The next attempt for a request whose earlier ones ended with `failures`.

        Raises `RequestError` when no other attempt makes sense: the last failure, or `upstream_unavailable`.
        """
