"""A server's line to Redis: one connection, on which scripts go in groups. Whatever came while one was out is the next.

Scripts run in the order in which they were given, so that what a request gives back is there before another asks.
"""

import asyncio
import contextlib
import hashlib
import logging
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import redis.exceptions
from redis.asyncio import Redis
from redis.asyncio.retry import Retry
from redis.backoff import NoBackoff
from redis.exceptions import AuthenticationError, NoScriptError, RedisError, ResponseError

from forefront.gateway.store.database import StoreError

log = logging.getLogger(__name__)

_PATIENCE: Final = 1.0  # seconds that one exchange may take, connecting included
_RETRY: Final = 0.25  # seconds between attempts while it fails
_SCRIPTS: Final = {path.stem: path.read_text() for path in (Path(__file__).parent / "lua").glob("*.lua")}
_HASHES: Final = {
    name: hashlib.sha1(text.encode(), usedforsecurity=False).hexdigest() for name, text in _SCRIPTS.items()
}


@dataclass(slots=True, eq=False)
class _Call:
    """One run of a script. It is tried again until `until`, on the monotonic clock; 0 for once."""

    script: str
    keys: Sequence[str]
    arguments: Sequence[str | int]
    until: float
    done: asyncio.Future[Any]


class Line:
    """`start` it on the event loop that calls it; `close` does what is left."""

    def __init__(self, url: str) -> None:
        # Nothing is tried again behind our back: whoever asked has been told that it failed.
        self._client = Redis.from_url(url, retry=Retry(NoBackoff(), 0))
        self._calls: list[_Call] = []
        self._wake = asyncio.Event()
        self._task: asyncio.Task[None] | None = None
        self._healthy = True
        self._closing = False
        self._complaint = ""

    @property
    def healthy(self) -> bool:
        """Whether Redis answered, the last time."""
        return self._healthy

    async def start(self) -> None:
        """Connect, and see that scripts can be run. Raises `StoreError`."""
        try:
            async with asyncio.timeout(_PATIENCE):
                await self._load()
        except (RedisError, OSError, ValueError) as error:
            await self._client.aclose()
            raise StoreError(f"the Redis of `redis.url` cannot be used: {_reason(error)}") from None
        self._task = asyncio.create_task(self._work(), name="forefront-redis")

    async def ask(self, script: str, keys: Sequence[str], arguments: Sequence[str | int]) -> Any:
        """The script's answer. Raises `StoreError`, and it is then not known whether it was run."""
        return await self._put(script, keys, arguments, 0.0)

    def post(
        self, script: str, keys: Sequence[str], arguments: Sequence[str | int], seconds: float
    ) -> asyncio.Future[Any]:
        """Run a script that can be run twice; tried again for so long. What is returned never fails."""
        return self._put(script, keys, arguments, time.monotonic() + seconds)

    async def close(self) -> None:
        """Do what is left, if Redis answers, and end."""
        self._closing = True
        self._wake.set()
        if self._task is not None:
            await self._task
        with contextlib.suppress(RedisError, OSError):
            await self._client.aclose()

    def _put(
        self, script: str, keys: Sequence[str], arguments: Sequence[str | int], until: float
    ) -> asyncio.Future[Any]:
        call = _Call(script, keys, arguments, until, asyncio.get_running_loop().create_future())
        self._calls.append(call)
        self._wake.set()
        return call.done

    async def _work(self) -> None:
        while not self._closing:
            if self._healthy:
                await self._wake.wait()
            else:
                await asyncio.sleep(_RETRY)
            self._wake.clear()
            await self._step()
        await self._step()

    async def _step(self) -> None:
        group, self._calls = self._calls, []
        try:
            async with asyncio.timeout(_PATIENCE):
                answers = await self._exchange(group)
        except Exception as error:  # whatever it is: whoever waits must be told
            await self._failed(error, group)
        else:
            self._answered(group, answers)

    async def _exchange(self, group: Sequence[_Call]) -> list[Any]:
        answers = await self._send(group)
        unknown = [number for number, answer in enumerate(answers) if isinstance(answer, NoScriptError)]
        if unknown:  # Redis has been started anew
            await self._load()
            again = await self._send([group[number] for number in unknown])
            for number, answer in zip(unknown, again, strict=True):
                answers[number] = answer
        return answers

    async def _send(self, group: Sequence[_Call]) -> list[Any]:
        pipeline = self._client.pipeline(transaction=False)
        for call in group:
            pipeline.execute_command("EVALSHA", _HASHES[call.script], len(call.keys), *call.keys, *call.arguments)
        if not group:
            pipeline.execute_command("PING")
        return await pipeline.execute(raise_on_error=False)

    async def _load(self) -> None:
        for text in _SCRIPTS.values():
            await self._client.script_load(text)

    def _answered(self, group: Sequence[_Call], answers: Sequence[Any]) -> None:
        if not self._healthy:
            log.warning("Redis answers again")
        self._healthy = True
        refused = ""
        for call, answer in zip(group, answers, strict=False):  # a ping has no call
            if not isinstance(answer, Exception):
                _resolve(call, answer)
                continue
            refused = _reason(answer)
            self._give_up(call, refused)
        if refused and refused != self._complaint:
            log.error("Redis refuses to count: %s", refused)
        if group:
            self._complaint = refused

    async def _failed(self, error: Exception, group: Sequence[_Call]) -> None:
        if self._healthy:
            log.error("Redis cannot be used: %s", _reason(error))
        self._healthy = False
        calls, self._calls = [*group, *self._calls], []
        for call in calls:
            self._give_up(call, "Redis does not answer")
        with contextlib.suppress(RedisError, OSError):
            await self._client.connection_pool.disconnect()

    def _give_up(self, call: _Call, reason: str) -> None:
        """Unless it is to be tried again, with the next group."""
        if not call.until:
            if not call.done.done():
                call.done.set_exception(StoreError(reason))
        elif time.monotonic() < call.until:
            self._calls.append(call)
        else:
            _resolve(call, None)


def _resolve(call: _Call, answer: Any) -> None:
    if not call.done.done():
        call.done.set_result(answer)


def _reason(error: BaseException) -> str:
    """Why, without an address or a password."""
    if isinstance(error, TimeoutError | redis.exceptions.TimeoutError):
        return f"no answer within {_PATIENCE:g} s"
    if isinstance(error, AuthenticationError):
        return "it does not take the name or the password"
    if isinstance(error, ResponseError):
        return str(error).partition("\n")[0][:200]
    cause = error if isinstance(error, OSError) else error.__cause__ or error.__context__
    return cause.strerror if isinstance(cause, OSError) and cause.strerror else f"it failed ({type(error).__name__})"
