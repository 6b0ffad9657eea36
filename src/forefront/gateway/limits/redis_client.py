"""The connection to Redis. Scripts are pipelined: those that arrive during a round trip form the next batch.

Scripts run in the order of the calls, so that returned amounts are available to later requests.
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

_TIMEOUT: Final = 1.0  # seconds of one round trip, with connecting
_RETRY_INTERVAL: Final = 0.25  # seconds
_SCRIPTS: Final = {path.stem: path.read_text() for path in (Path(__file__).parent / "lua").glob("*.lua")}
_HASHES: Final = {
    name: hashlib.sha1(text.encode(), usedforsecurity=False).hexdigest() for name, text in _SCRIPTS.items()
}


@dataclass(slots=True, eq=False)
class _ScriptCall:
    """One run of a script, retried until `retry_until` on the monotonic clock; 0 for no retry."""

    script: str
    keys: Sequence[str]
    arguments: Sequence[str | int]
    retry_until: float
    done: asyncio.Future[Any]


class RedisClient:
    """Call `start` on the event loop that uses the client. `close` sends the pending calls."""

    def __init__(self, url: str) -> None:
        # The library's retries are off: a caller that received an error must not have its script run later.
        self._client = Redis.from_url(url, retry=Retry(NoBackoff(), 0))
        self._calls: list[_ScriptCall] = []
        self._wake = asyncio.Event()
        self._task: asyncio.Task[None] | None = None
        self._healthy = True
        self._closing = False
        self._last_script_error = ""

    @property
    def healthy(self) -> bool:
        """Whether Redis responded to the last batch."""
        return self._healthy

    async def start(self) -> None:
        """Connect and load the scripts. Raises `StoreError`."""
        try:
            async with asyncio.timeout(_TIMEOUT):
                await self._load_scripts()
        except (RedisError, OSError, ValueError) as error:
            await self._client.aclose()
            raise StoreError(f"the Redis of `redis.url` cannot be used: {_reason(error)}") from None
        self._task = asyncio.create_task(self._send_batches(), name="forefront-redis")

    async def call(self, script: str, keys: Sequence[str], arguments: Sequence[str | int]) -> Any:
        """The script's result. Raises `StoreError`; the script may have run nevertheless."""
        return await self._enqueue(script, keys, arguments, 0.0)

    def post(
        self, script: str, keys: Sequence[str], arguments: Sequence[str | int], retry_seconds: float
    ) -> asyncio.Future[Any]:
        """Run an idempotent script, with retries for `retry_seconds`. The future never has an exception."""
        return self._enqueue(script, keys, arguments, time.monotonic() + retry_seconds)

    async def close(self) -> None:
        """Send the pending calls once, and disconnect."""
        self._closing = True
        self._wake.set()
        if self._task is not None:
            await self._task
        with contextlib.suppress(RedisError, OSError):
            await self._client.aclose()

    def _enqueue(
        self, script: str, keys: Sequence[str], arguments: Sequence[str | int], retry_until: float
    ) -> asyncio.Future[Any]:
        call = _ScriptCall(script, keys, arguments, retry_until, asyncio.get_running_loop().create_future())
        self._calls.append(call)
        self._wake.set()
        return call.done

    async def _send_batches(self) -> None:
        while not self._closing:
            if self._healthy:
                await self._wake.wait()
            else:
                await asyncio.sleep(_RETRY_INTERVAL)
            self._wake.clear()
            await self._send_batch()
        await self._send_batch()

    async def _send_batch(self) -> None:
        batch, self._calls = self._calls, []
        try:
            async with asyncio.timeout(_TIMEOUT):
                results = await self._run_scripts(batch)
        except Exception as error:  # every waiting caller must get a result, for any failure
            await self._fail(error, batch)
        else:
            self._resolve_batch(batch, results)

    async def _run_scripts(self, batch: Sequence[_ScriptCall]) -> list[Any]:
        results = await self._round_trip(batch)
        missing = [number for number, result in enumerate(results) if isinstance(result, NoScriptError)]
        if missing:  # Redis was restarted
            await self._load_scripts()
            retried = await self._round_trip([batch[number] for number in missing])
            for number, result in zip(missing, retried, strict=True):
                results[number] = result
        return results

    async def _round_trip(self, batch: Sequence[_ScriptCall]) -> list[Any]:
        pipeline = self._client.pipeline(transaction=False)
        for call in batch:
            pipeline.execute_command("EVALSHA", _HASHES[call.script], len(call.keys), *call.keys, *call.arguments)
        if not batch:
            pipeline.execute_command("PING")
        return await pipeline.execute(raise_on_error=False)

    async def _load_scripts(self) -> None:
        for text in _SCRIPTS.values():
            await self._client.script_load(text)

    def _resolve_batch(self, batch: Sequence[_ScriptCall], results: Sequence[Any]) -> None:
        if not self._healthy:
            log.warning("Redis responds again")
        self._healthy = True
        script_error = ""
        for call, result in zip(batch, results, strict=False):  # a ping has a result without a call
            if not isinstance(result, Exception):
                _resolve(call, result)
                continue
            script_error = _reason(result)
            self._retry_or_fail(call, script_error)
        if script_error and script_error != self._last_script_error:
            log.error("Redis rejects the limit scripts: %s", script_error)
        if batch:
            self._last_script_error = script_error

    async def _fail(self, error: Exception, batch: Sequence[_ScriptCall]) -> None:
        if self._healthy:
            log.error("Redis cannot be used: %s", _reason(error))
        self._healthy = False
        calls, self._calls = [*batch, *self._calls], []
        for call in calls:
            self._retry_or_fail(call, "Redis does not respond")
        with contextlib.suppress(RedisError, OSError):
            await self._client.connection_pool.disconnect()

    def _retry_or_fail(self, call: _ScriptCall, reason: str) -> None:
        """Put the call into the next batch, or resolve it."""
        if not call.retry_until:
            if not call.done.done():
                call.done.set_exception(StoreError(reason))
        elif time.monotonic() < call.retry_until:
            self._calls.append(call)
        else:
            _resolve(call, None)


def _resolve(call: _ScriptCall, result: Any) -> None:
    if not call.done.done():
        call.done.set_result(result)


def _reason(error: BaseException) -> str:
    """The cause of an error, without an address or a password."""
    if isinstance(error, TimeoutError | redis.exceptions.TimeoutError):
        return f"no response within {_TIMEOUT:g} s"
    if isinstance(error, AuthenticationError):
        return "it rejects the user name or the password"
    if isinstance(error, ResponseError):
        return str(error).partition("\n")[0][:200]
    cause = error if isinstance(error, OSError) else error.__cause__ or error.__context__
    return cause.strerror if isinstance(cause, OSError) and cause.strerror else f"it failed ({type(error).__name__})"
