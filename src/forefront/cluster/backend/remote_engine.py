"""The engine of a model whose replicas run elsewhere."""

import asyncio
import ssl
from collections.abc import Collection

from forefront.cluster.backend.connections.replica_pool import RemoteModel
from forefront.cluster.backend.dispatching.dispatcher import RemoteLimits
from forefront.cluster.backend.dispatching.generation_dispatcher import GenerationDispatcher
from forefront.cluster.backend.dispatching.remote_generation import RemoteGeneration
from forefront.cluster.discovery.cluster_watch import ModelWatch
from forefront.cluster.protocol.replica_identity import ReplicaAddress
from forefront.cluster.routing.replica_state import ReplicaState
from forefront.cluster.routing.router import NoReplicaError
from forefront.engine.backlog import CAPACITY, Backlog
from forefront.engine.engine_stats import EngineStats
from forefront.engine.errors import ContextExceededError, EngineStoppedError
from forefront.engine.generation import Generation
from forefront.engine.request import GenerateRequest
from forefront.fairness.quota import Quota
from forefront.fairness.tenant import Tenant


class RemoteEngine:
    """The `TokenEngine` of one model on a cluster. `discovery`: see `ReplicaPool`."""

    takes_predictions = True

    def __init__(
        self,
        model: RemoteModel,
        limits: RemoteLimits,
        discovery: ModelWatch | None = None,
        tls: ssl.SSLContext | None = None,
    ) -> None:
        self.context_limit, self.vocabulary_size = model.context_limit, model.vocabulary_size
        self.dispatcher = GenerationDispatcher(model, limits, discovery, tls)
        self.router, self.pool = self.dispatcher.router, self.dispatcher.pool
        self._unread = Quota(CAPACITY)
        self._stopping = False
        self._loop: asyncio.AbstractEventLoop | None = None

    def start(self) -> None:
        """See `TokenEngine.start`."""
        self._loop = asyncio.get_running_loop()
        self.pool.start()

    def set_replicas(self, addresses: Collection[ReplicaAddress]) -> None:
        """See `ReplicaPool.set_addresses`."""
        self.pool.set_addresses(addresses)

    def submit(self, request: GenerateRequest) -> Generation:
        """See `TokenEngine.submit`."""
        if self._stopping or self._loop is None:
            raise EngineStoppedError("the engine is not running")
        if len(request.prompt) + request.max_tokens > self.context_limit:
            raise ContextExceededError(len(request.prompt), request.max_tokens, self.context_limit)
        if not request.prompt or request.max_tokens < 1 or request.n < 1 or request.resumed:
            raise ValueError("a request needs a prompt, a positive max_tokens and a positive n")
        dispatcher = self.dispatcher
        backlog = Backlog(
            self._unread, request.tenant, lambda: dispatcher.pause(remote), lambda: dispatcher.resume(remote)
        )
        generation = Generation(self._loop, request.n, lambda _: dispatcher.cancel(remote), backlog)
        remote = RemoteGeneration(request, generation)
        dispatcher.dispatch(remote)
        return generation

    async def cached_tokens(self, prompt: list[int], tenant: Tenant) -> int:
        """See `TokenEngine.cached_tokens`: on the replica that the router would choose."""
        if self._stopping or self._loop is None:
            raise EngineStoppedError("the engine is not running")
        try:
            connection = self.pool[self.router.preferred(prompt, tenant).state.name]
        except NoReplicaError:
            return 0
        return await self.dispatcher.lookups.count(connection, prompt, tenant)

    async def stop(self) -> None:
        """See `TokenEngine.stop`. The replicas run on."""
        self._stopping = True
        self.dispatcher.stop()

    def stats(self) -> EngineStats:
        """See `TokenEngine.stats`. Sums over the replicas; `tokens_sampled` are those of this server, drafts those of
        all servers."""
        loads, drafts = self.pool.loads(), self.pool.drafts
        return EngineStats(
            running=sum(load.running for load in loads),
            waiting=sum(load.waiting for load in loads) + self.dispatcher.waiting,
            blocks_held=sum(load.blocks_held for load in loads),
            blocks_total=sum(load.blocks_total for load in loads),
            tokens_sampled=self.dispatcher.tokens_sampled,
            preemptions=0,
            evictions=0,
            restarts=0,
            last_token=self.dispatcher.last_token,
            drafts=drafts.drafts,
            draft_tokens=drafts.draft_tokens,
            accepted_tokens=drafts.accepted_tokens,
        )

    def replicas(self) -> list[ReplicaState]:
        """The replicas that this server is connected to."""
        return [connection.state for connection in self.pool if connection.ready]
