"""The generations of one server on a replica: submit → send tokens, step by step."""

import asyncio
import logging
from collections.abc import Callable
from dataclasses import dataclass

from forefront.chat.local.token_engine import TokenEngine
from forefront.cluster.protocol.frames import (
    Cancel,
    Delta,
    Failed,
    FromServer,
    Lookup,
    LookupResult,
    Pause,
    Released,
    Resume,
    StepTokens,
    Submit,
)
from forefront.cluster.protocol.token_codec import unpack_tokens
from forefront.cluster.replica.constraint_builder import ConstraintBuilder
from forefront.cluster.replica.served_generation import ServedGeneration, decode_request, encode_tokens
from forefront.cluster.replica.server_connection import ReplicaContext, ServerConnection
from forefront.engine.engine_stats import EngineStats
from forefront.engine.errors import ConstraintError, EngineError, EngineStoppedError
from forefront.engine.generation import Generation, Token
from forefront.engine.request import GenerateRequest
from forefront.fairness.tenant import Tenant
from forefront.observability.tracing import Tracer

log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class GenerationService:
    """A `ReplicaService` that generates tokens with `engine`, which runs already. With a `tracer`, generations have
    spans."""

    engine: TokenEngine
    constraints: ConstraintBuilder
    tracer: Tracer | None = None

    def stats(self) -> EngineStats:
        """See `ReplicaService.stats`."""
        return self.engine.stats()

    def connect(self, replica: ReplicaContext, closed: Callable[[ServerConnection], None]) -> "GenerationConnection":
        """See `ReplicaService.connect`."""
        return GenerationConnection(self, replica, closed)

    async def close(self) -> None:
        """See `ReplicaService.close`."""
        await asyncio.to_thread(self.constraints.close)


class GenerationConnection(ServerConnection):
    """A server whose requests are generations."""

    def __init__(
        self, service: GenerationService, replica: ReplicaContext, closed: Callable[[ServerConnection], None]
    ) -> None:
        super().__init__(replica, closed)
        self.generations: dict[int, ServedGeneration] = {}
        self._service = service
        # Generations with tokens to send.
        self._changed: dict[ServedGeneration, None] = {}

    @property
    def requests(self) -> int:
        """See `ServerConnection.requests`."""
        return len(self.generations)

    def handle(self, message: FromServer) -> bool:
        """See `ServerConnection.handle`."""
        match message:
            case Submit():
                self._submit(message)
            case Cancel(id=number):
                self._cancel(number)
            case Pause(id=number):
                if (served := self.generations.get(number)) is not None:
                    served.paused = True
            case Resume(id=number):
                if (served := self.generations.get(number)) is not None:
                    served.paused = False
                    self._note(served)
            case Lookup():
                self._run(self._look_up(message))
            case _:
                return False
        return True

    def cancel_all(self, reason: str) -> None:
        """See `ServerConnection.cancel_all`."""
        if self.generations:
            log.info("a server's connection ended with %d generations: %s", len(self.generations), reason)
        for served in list(self.generations.values()):
            self._remove(served.id)
            served.stop()

    def _submit(self, message: Submit) -> None:
        if message.id in self.generations:
            self.close("a number is used twice")
            return
        if self._replica.draining:
            self.protocol.send(Failed(message.id, "refused", "the replica is draining"))
            return
        served = self.generations[message.id] = ServedGeneration(message, self._service.tracer)
        self._replica.work += served.prompt_work + served.output_work
        try:
            request = decode_request(message)
            if message.constraint is None:
                self._start(served, request)
            else:
                served.task = self._run(self._build(served, message, request))
        except (EngineError, ValueError) as error:
            self._fail(served, error)

    async def _build(self, served: ServedGeneration, message: Submit, request: GenerateRequest) -> None:
        """Submit a request with a constraint."""
        assert message.constraint is not None
        try:
            self._start(served, await self._service.constraints.build(message.constraint, request))
        except Exception as error:  # without an answer, the server would wait forever
            self._fail(served, error)

    def _start(self, served: ServedGeneration, request: GenerateRequest) -> None:
        generation = served.generation = self._service.engine.submit(request)
        generation.notify = lambda: self._note(served)
        self._replica.prompt_tokens += len(request.prompt)
        # The engine may have failed it already.
        self._note(served)

    def _cancel(self, number: int) -> None:
        served = self._remove(number)
        if served is None:  # it has already ended
            self.protocol.send(Released(number))
            return
        self._changed.pop(served, None)
        released = served.stop()
        if released is None:
            self.protocol.send(Released(number))
        else:
            released.add_done_callback(lambda _: self.protocol.send(Released(number)))

    def _note(self, served: ServedGeneration) -> None:
        """A generation has something to send. All that arrive in one iteration of the event loop go together."""
        if served.id not in self.generations:
            return
        if not self._changed:
            self._loop.call_soon(self._flush)
        self._changed[served] = None

    def _flush(self) -> None:
        changed, self._changed = self._changed, {}
        deltas: list[Delta] = []
        failures: list[tuple[ServedGeneration, Exception]] = []
        for served in changed:
            generation = served.generation
            if generation is None or served.paused or self.generations.get(served.id) is not served:
                continue
            try:
                tokens = generation.take()
                if tokens:
                    deltas.append(self._delta(served, generation, tokens))
                    # An error comes after the last tokens.
                    generation.take()
            except EngineError as error:
                failures.append((served, error))
                continue
            if generation.exhausted:
                self._remove(served.id)
        if deltas:
            self.protocol.send(StepTokens(deltas))
        for served, failure in failures:
            self._fail(served, failure)

    def _delta(self, served: ServedGeneration, generation: Generation, tokens: list[Token]) -> Delta:
        if served.cached_known:
            return served.add_prediction(encode_tokens(served.id, tokens))
        served.cached_known = True
        if served.trace is not None:
            served.trace.first_token()
        self._replica.work -= served.prompt_work
        served.prompt_work = 0
        self._replica.cached_tokens += generation.cached_tokens
        return served.add_prediction(encode_tokens(served.id, tokens, generation.cached_tokens))

    def _fail(self, served: ServedGeneration, error: Exception) -> None:
        kind = "step"
        if isinstance(error, ConstraintError):
            kind = "constraint"
        elif isinstance(error, EngineStoppedError):
            kind = "stopped"
        self._remove(served.id, kind)
        if kind != "stopped":
            log.warning("a generation failed: %s", error, exc_info=error.__cause__)
        self.protocol.send(Failed(served.id, kind, str(error)))

    def _remove(self, number: int, error: str | None = None) -> ServedGeneration | None:
        served = self.generations.pop(number, None)
        if served is not None:
            if served.generation is not None:
                served.generation.notify = None
            self._replica.work -= served.prompt_work + served.output_work
            if served.trace is not None:
                generation = served.generation
                sampled, cached = (0, 0) if generation is None else (generation.sampled, generation.cached_tokens)
                served.trace.end({"forefront.sampled_tokens": sampled, "forefront.cached_tokens": cached}, error)
        return served

    async def _look_up(self, message: Lookup) -> None:
        try:
            cached = await self._service.engine.cached_tokens(unpack_tokens(message.prompt), Tenant(message.tenant))
        except (EngineError, ValueError):
            cached = 0
        self.protocol.send(LookupResult(message.id, cached))
