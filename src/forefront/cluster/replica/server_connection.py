"""The replica's side of the connection of one server: authenticate → submit → send tokens, step by step."""

import asyncio
import logging
import time
from collections.abc import Callable, Coroutine
from dataclasses import dataclass

from forefront.chat.local.token_engine import TokenEngine
from forefront.cluster.protocol.frames import (
    PROTOCOL,
    Alive,
    Cancel,
    Challenge,
    Delta,
    Failed,
    Found,
    FromServer,
    Hello,
    Lookup,
    Pause,
    Released,
    Resume,
    Status,
    Submit,
    Tokens,
    Welcome,
)
from forefront.cluster.protocol.framing import FrameProtocol
from forefront.cluster.protocol.proof import is_proof, new_nonce, proof
from forefront.cluster.protocol.token_codec import unpack_tokens
from forefront.cluster.replica.constraint_builder import ConstraintBuilder
from forefront.cluster.replica.served_generation import ServedGeneration, decode_request, encode_tokens
from forefront.engine.errors import ConstraintError, EngineError, EngineStoppedError
from forefront.engine.generation import Generation, Token
from forefront.engine.request import GenerateRequest
from forefront.fairness.tenant import Tenant
from forefront.observability.tracing import Tracer

log = logging.getLogger(__name__)


@dataclass(slots=True)
class ReplicaContext:
    """What the connections of a replica share. `work`: see `ReplicaLoad`. `prompt_tokens` counts those of all
    generations, `cached_tokens` those found in the cache. `status` returns the heartbeat. `tracer` is None without an
    exporter of traces."""

    engine: TokenEngine
    constraints: ConstraintBuilder
    secret: bytes
    status: Callable[[], Status]
    draining: bool = False
    work: int = 0
    prompt_tokens: int = 0
    cached_tokens: int = 0
    tracer: Tracer | None = None


class ServerConnection:
    """One server. `heard`: the monotonic time of its last message. `ready`: it is authenticated. `closed` is called at
    the end."""

    def __init__(self, replica: ReplicaContext, closed: Callable[["ServerConnection"], None]) -> None:
        self.ready = False
        self.heard = time.monotonic()
        self.generations: dict[int, ServedGeneration] = {}
        self.protocol = _Greeting(self)
        self._replica, self._closed = replica, closed
        self._nonce = new_nonce()
        # Generations with tokens to send.
        self._changed: dict[ServedGeneration, None] = {}
        self._loop = asyncio.get_running_loop()
        self._tasks: set[asyncio.Task[None]] = set()

    def close(self, reason: str) -> None:
        """Close the connection and cancel its generations."""
        self.protocol.abort(reason)

    def greet(self) -> None:
        """Begin the handshake."""
        self.protocol.send(Challenge(PROTOCOL, self._nonce))

    def received(self, message: FromServer) -> None:
        """Handle a message."""
        self.heard = time.monotonic()
        if not self.ready:
            self._authenticate(message)
            return
        match message:
            case Alive():
                pass
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
                self.close("a message is out of place")

    def lost(self, reason: str) -> None:
        """The connection is closed."""
        if self.generations:
            log.info("a server's connection ended with %d generations: %s", len(self.generations), reason)
        for served in list(self.generations.values()):
            self._remove(served.id)
            served.stop()
        for task in self._tasks:
            task.cancel()
        self._closed(self)

    def _authenticate(self, message: FromServer) -> None:
        secret = self._replica.secret
        if not isinstance(message, Hello) or not is_proof(message.proof, secret, b"server", self._nonce):
            self.close("it does not know the secret")
            return
        self.ready = True
        self.protocol.allow_large()
        self.protocol.send(Welcome(proof(secret, b"replica", message.nonce)))
        self.protocol.send(self._replica.status())

    def _submit(self, message: Submit) -> None:
        if message.id in self.generations:
            self.close("a number is used twice")
            return
        if self._replica.draining:
            self.protocol.send(Failed(message.id, "refused", "the replica is draining"))
            return
        served = self.generations[message.id] = ServedGeneration(message, self._replica.tracer)
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
            self._start(served, await self._replica.constraints.build(message.constraint, request))
        except Exception as error:  # without an answer, the server would wait for ever
            self._fail(served, error)

    def _start(self, served: ServedGeneration, request: GenerateRequest) -> None:
        generation = served.generation = self._replica.engine.submit(request)
        generation.notify = lambda: self._note(served)
        self._replica.prompt_tokens += len(request.prompt)
        # The engine may have failed it already.
        self._note(served)

    def _cancel(self, number: int) -> None:
        served = self._remove(number)
        if served is None:  # it has ended by itself
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
            self.protocol.send(Tokens(deltas))
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
            self._replica.work -= served.prompt_work + served.output_work
            if served.trace is not None:
                generation = served.generation
                sampled, cached = (0, 0) if generation is None else (generation.sampled, generation.cached_tokens)
                served.trace.end(sampled, cached, error)
        return served

    async def _look_up(self, message: Lookup) -> None:
        try:
            cached = await self._replica.engine.cached_tokens(unpack_tokens(message.prompt), Tenant(message.tenant))
        except (EngineError, ValueError):
            cached = 0
        self.protocol.send(Found(message.id, cached))

    def _run(self, coroutine: Coroutine[None, None, None]) -> asyncio.Task[None]:
        task = self._loop.create_task(coroutine)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)
        return task


class _Greeting(FrameProtocol):
    """Sends the challenge as soon as the connection is open."""

    def __init__(self, connection: ServerConnection) -> None:
        super().__init__(FromServer, connection.received, connection.lost)
        self._connection = connection

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        super().connection_made(transport)
        self._connection.greet()
