"""The Python SDK replays the contract, with both clients and over real connections."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

import pytest

import forefront
from forefront import AsyncForefrontClient, ForefrontClient, ForefrontError, Timeout
from forefront.client.transport import transport
from forefront.wire.record import Record
from tests.contract.cases import Case, holds, load
from tests.contract.scripted import ScriptedServer, run_scripted
from tests.support.ports import free_port

CASES = load()
by_case = pytest.mark.parametrize("case", CASES, ids=lambda case: case.id)


@dataclass
class Outcome:
    """What a program got."""

    result: Any = None
    request_id: str | None = None
    texts: list[str] = field(default_factory=list)
    chunks: int = 0
    final: Any = None
    error: ForefrontError | None = None

    def add(self, chunk: Any) -> None:
        self.chunks += 1
        if getattr(chunk, "type", "") == "response.output_text.delta":
            self.texts.append(chunk.delta)
        for choice in getattr(chunk, "choices", ()):
            if choice.index == 0:
                self.texts.append(choice.text if hasattr(choice, "text") else choice.delta.content or "")

    def check(self, expect: dict[str, Any]) -> None:
        if "error" in expect:
            assert self.error is not None, self
            check_error(self.error, expect["error"])
        elif self.error is not None:
            raise self.error
        seen = {
            "result": _plain(self.result), "final": _plain(self.final), "text": "".join(self.texts),
            "chunks": self.chunks, "request_id": self.request_id,
        }  # fmt: skip
        wanted = {name: value for name, value in expect.items() if name not in ("error", "waits")}
        if self.final is None:
            wanted.pop("final", None)
        assert (wrong := holds(wanted, seen)) is None, wrong


def _plain(value: Any) -> Any:
    return value.to_dict() if isinstance(value, Record) else value


def check_error(error: Any, expected: dict[str, Any]) -> None:
    assert type(error) is getattr(forefront, expected["class"]), repr(error)
    names = {"status": "status_code"}
    for name in ("status", "code", "param", "request_id", "retry_after"):
        if name in expected:
            assert getattr(error, names.get(name, name)) == expected[name]
    for text in expected.get("message_has", []):
        assert text in str(error)
    for text in expected.get("message_lacks", []):
        assert text not in str(error)


def client_settings(case: Case, url: str) -> dict[str, Any]:
    given = case.content.get("client", {})
    settings = {"api_key": "sk-contract", **given, "base_url": url}
    if "timeout" in given:
        settings["timeout"] = Timeout(**given["timeout"])
    return settings


def find(client: Any, method: str) -> Any:
    for name in method.split("."):
        client = getattr(client, name)
    return client


@contextmanager
def served(case: Case) -> Iterator[tuple[ScriptedServer, str]]:
    """The server of a case, and the URL that the client is to use."""
    with run_scripted(case.exchanges if case.content["exchanges"] else []) as server:
        urls = {
            None: server.url,
            "refused": f"http://127.0.0.1:{free_port()}",
            "unknown-host": "http://forefront.invalid",
            "tls": server.url.replace("http:", "https:"),
        }
        yield server, urls[case.content.get("unreachable")]


@pytest.fixture
def waits(monkeypatch: pytest.MonkeyPatch) -> list[float]:
    """The wait before each retry, without waiting."""
    noted: list[float] = []

    async def note(seconds: float) -> None:
        noted.append(seconds)

    monkeypatch.setattr(transport, "sleep", noted.append)
    monkeypatch.setattr(transport, "sleep_async", note)
    return noted


def check_waits(case: Case, waits: list[float]) -> None:
    bounds = case.expect.get("waits")
    if bounds is not None:
        assert len(waits) == len(bounds)
        assert all(low - 1e-9 <= wait <= high + 1e-9 for wait, (low, high) in zip(waits, bounds, strict=True)), waits


def run_call(client: ForefrontClient, case: Case) -> Outcome:
    method, arguments = case.call
    outcome = Outcome()
    try:
        if case.streams:
            for chunk in find(client, method)(**arguments):
                outcome.add(chunk)
            return outcome
        resource, _, name = method.rpartition(".")
        raw = getattr(find(client, resource).with_raw_response, name)(**arguments)
        outcome.request_id, outcome.result = raw.request_id, raw.parse()
    except ForefrontError as error:
        outcome.error = error
    return outcome


def call_streaming(client: ForefrontClient, case: Case) -> Outcome:
    arguments = {name: value for name, value in case.call[1].items() if name != "stream"}
    outcome = Outcome()
    try:
        with client.chat.completions.stream(**arguments) as stream:
            for chunk in stream:
                outcome.add(chunk)
            outcome.final = stream.final_completion()
    except ForefrontError as error:
        outcome.error = error
    return outcome


@by_case
def test_sync(case: Case, waits: list[float]) -> None:
    callers = [run_call, call_streaming] if case.streams and case.call[0].startswith("chat.") else [run_call]
    for caller in callers:
        waits.clear()
        with served(case) as (server, url), ForefrontClient(**client_settings(case, url)) as client:
            caller(client, case).check(case.expect)
            server.check()
        check_waits(case, waits)


async def call_async(client: AsyncForefrontClient, case: Case) -> Outcome:
    method, arguments = case.call
    outcome = Outcome()
    try:
        if case.streams:
            async for chunk in await find(client, method)(**arguments):
                outcome.add(chunk)
            return outcome
        resource, _, name = method.rpartition(".")
        raw = await getattr(find(client, resource).with_raw_response, name)(**arguments)
        outcome.request_id, outcome.result = raw.request_id, raw.parse()
    except ForefrontError as error:
        outcome.error = error
    return outcome


async def call_streaming_async(client: AsyncForefrontClient, case: Case) -> Outcome:
    arguments = {name: value for name, value in case.call[1].items() if name != "stream"}
    outcome = Outcome()
    try:
        async with client.chat.completions.stream(**arguments) as stream:
            async for chunk in stream:
                outcome.add(chunk)
            outcome.final = await stream.final_completion()
    except ForefrontError as error:
        outcome.error = error
    return outcome


@by_case
async def test_async(case: Case, waits: list[float]) -> None:
    callers = [call_async, call_streaming_async] if case.streams and case.call[0].startswith("chat.") else [call_async]
    for caller in callers:
        waits.clear()
        with served(case) as (server, url):
            async with AsyncForefrontClient(**client_settings(case, url)) as client:
                (await caller(client, case)).check(case.expect)
            server.check()
        check_waits(case, waits)
