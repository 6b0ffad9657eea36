"""From the settings of an upstream model to its backend."""

from forefront.upstream.error_mapping import status_error
from forefront.upstream.http.http_client import UpstreamClient
from forefront.upstream.prompt_size import Counter
from forefront.upstream.replica import UpstreamReplica
from forefront.upstream.replicas.circuit import CircuitPolicy
from forefront.upstream.replicas.pool import UpstreamPool
from forefront.upstream.spec import UpstreamSpec
from forefront.upstream.upstream_backend import UpstreamBackend

_CHECK_SECONDS = 5.0


def build_backend(
    spec: UpstreamSpec, count: Counter | None = None, policy: CircuitPolicy | None = None
) -> UpstreamBackend:
    """The backend, with the replicas of the spec, its own health checks and connections."""
    client = UpstreamClient(spec.connect_seconds, spec.read_seconds)

    async def check(replica: UpstreamReplica) -> None:
        await check_replica(client, replica)

    return UpstreamBackend(spec, UpstreamPool(spec.replicas(), check, policy), client, count)


async def check_replica(client: UpstreamClient, replica: UpstreamReplica) -> None:
    """Request the list of models. Any answer except a server error counts as healthy, because some servers have no
    list.

    Raises `UpstreamError`.
    """
    status, _ = await client.get(replica, f"{replica.base_url}/models", _CHECK_SECONDS)
    if status >= 500:
        raise status_error(status, {}, b"", replica)
