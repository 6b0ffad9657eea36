"""The backend of a managed engine that is reached over its OpenAI API."""

import asyncio
from collections.abc import Sequence
from dataclasses import replace

from forefront.chat.backend import EngineStats
from forefront.engine.errors import EngineStoppedError, EngineUnavailableError
from forefront.fairness.tenant import Tenant
from forefront.managed_engines.engine_process import Endpoint, EngineProcess
from forefront.upstream.decoding.answer import PreparedCall
from forefront.upstream.detection import list_models
from forefront.upstream.errors import UpstreamError
from forefront.upstream.http.http_client import UpstreamClient
from forefront.upstream.replica import Attempt, RoutedRequest, UpstreamReplica
from forefront.upstream.spec import UpstreamSpec
from forefront.upstream.upstream_backend import UpstreamBackend
from forefront.wire.admin.records import ReplicaStatus
from forefront.wire.completions.media import media_parts
from forefront.wire.completions.message import ImagePart
from forefront.wire.completions.request import ChatRequest, CompletionRequest
from forefront.wire.errors import RequestError, shutting_down


class EngineBackend(UpstreamBackend):
    """An `UpstreamBackend` whose only server is a child process. `spec` has its address at the start."""

    def __init__(self, spec: UpstreamSpec, process: EngineProcess) -> None:
        client = UpstreamClient(spec.connect_seconds, spec.read_seconds)
        super().__init__(spec, _ChildReplicas(spec.name, process), client)
        self._process, self._name, self._own_client = process, spec.name, client

    async def prepare(self, request: ChatRequest | CompletionRequest, tenant: Tenant) -> PreparedCall:
        """See `Backend.prepare`. Images are data URLs: the engine would load any other, from this machine's network."""
        if isinstance(request, ChatRequest):
            for path, part in media_parts(request.messages):
                if isinstance(part, ImagePart) and not part.image_url.url.startswith("data:"):
                    text = "This model takes images as `data:` URLs only."
                    raise RequestError("invalid_value", text, param=f"{path}.image_url.url")
        return await super().prepare(request, tenant)

    def memory_bytes(self) -> int:
        """Resident memory of the engine's processes."""
        return self._process.memory_bytes()

    async def probe(self) -> None:
        """See `UpstreamBackend.probe`."""
        await list_models(self._own_client, await _replica(self._name, self._process))

    def stats(self) -> EngineStats:
        """See `UpstreamBackend.stats`, with the restarts of the process."""
        return replace(super().stats(), restarts=self._process.restarts)

    async def close(self) -> None:
        """See `Backend.close`. Ends the process."""
        await super().close()
        await asyncio.to_thread(self._process.stop)


def base_url(endpoint: Endpoint) -> str:
    """The address of the engine's OpenAI API."""
    return f"{endpoint.url}/v1"


async def _replica(name: str, process: EngineProcess) -> UpstreamReplica:
    """The process as it runs now. Waits while it starts. Raises `RequestError`."""
    try:
        endpoint = await asyncio.shield(asyncio.wrap_future(process.attempt))
    except EngineUnavailableError as error:
        text = "The model's engine restarts after a failure; try again."
        raise RequestError("not_ready", text, retry_after=error.retry_after) from None
    except EngineStoppedError:
        raise shutting_down() from None
    return UpstreamReplica(name, base_url(endpoint), endpoint.key)


class _ChildReplicas:
    """The `Replicas` of one process. A failed request is not retried, because it may have ended the process, unless
    only an idle connection was closed and the process still runs."""

    def __init__(self, name: str, process: EngineProcess) -> None:
        self._name, self._process = name, process

    def start(self) -> None:
        """The process watches itself."""

    async def close(self) -> None:
        """The backend ends the process."""

    def status(self) -> list[ReplicaStatus]:
        """None: the state of the model covers it."""
        return []

    async def choose(self, routed: RoutedRequest, failures: Sequence[UpstreamError]) -> Attempt:  # noqa: ARG002
        """See `Replicas.choose`."""
        if failures and not (len(failures) == 1 and failures[0].kind == "unreachable" and self._running()):
            raise failures[-1]
        return _ChildAttempt(await _replica(self._name, self._process))

    def _running(self) -> bool:
        attempt = self._process.attempt
        return self._process.pid is not None and attempt.done() and attempt.exception() is None


class _ChildAttempt:
    """One request to the process."""

    def __init__(self, replica: UpstreamReplica) -> None:
        self.replica = replica

    def begin(self) -> None:
        """See `Attempt.begin`."""

    def end(self, failure: UpstreamError | None) -> None:
        """See `Attempt.end`."""
