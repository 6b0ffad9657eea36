"""Lookups on replicas: the number of a prompt's tokens in the KV cache."""

import asyncio
import itertools
from collections import defaultdict
from collections.abc import Sequence

from forefront.cluster.backend.connections.replica_connection import ReplicaConnection
from forefront.cluster.protocol.frames import Lookup, LookupResult
from forefront.cluster.protocol.token_codec import pack_tokens
from forefront.fairness.tenant import Tenant


class CacheLookups:
    """The pending lookups of one model. One without an answer for `timeout` seconds counts as 0 tokens."""

    def __init__(self, timeout: float) -> None:
        self._timeout = timeout
        self._numbers = itertools.count(1)
        self._open: defaultdict[str, dict[int, asyncio.Future[int]]] = defaultdict(dict)  # by replica and number

    async def count(self, connection: ReplicaConnection, prompt: Sequence[int], tenant: Tenant) -> int:
        """The cached tokens of a prompt on one replica."""
        number, answer = next(self._numbers), asyncio.get_running_loop().create_future()
        self._open[connection.name][number] = answer
        try:
            connection.send(Lookup(number, pack_tokens(prompt), tenant.name))
            async with asyncio.timeout(self._timeout):
                count: int = await answer
                return count
        except TimeoutError:
            return 0
        finally:
            self._open[connection.name].pop(number, None)

    def found(self, connection: ReplicaConnection, message: LookupResult) -> None:
        """Take an answer."""
        answer = self._open[connection.name].get(message.id)
        if answer is not None and not answer.done():
            answer.set_result(message.cached)

    def lost(self, connection: ReplicaConnection) -> None:
        """The replica will not answer."""
        for answer in self._open.pop(connection.name, {}).values():
            if not answer.done():
                answer.set_result(0)
