"""The simplest choice of replicas: each one once, in the order of the settings."""

from collections.abc import Sequence
from dataclasses import dataclass

from forefront.upstream.errors import UpstreamError
from forefront.upstream.replica import Replica, RoutedRequest


@dataclass(frozen=True, slots=True)
class _Attempt:
    replica: Replica

    def begin(self) -> None:
        """See `Attempt.begin`."""

    def end(self, failure: UpstreamError | None) -> None:
        """See `Attempt.end`."""


class SequentialReplicas:
    """`Replicas` without health checks."""

    def __init__(self, replicas: Sequence[Replica]) -> None:
        self._replicas = replicas

    async def choose(self, routed: RoutedRequest, failures: Sequence[UpstreamError]) -> _Attempt:
        """See `Replicas.choose`. The request makes no difference."""
        del routed
        if len(failures) >= len(self._replicas):
            raise failures[-1]
        return _Attempt(self._replicas[len(failures)])
