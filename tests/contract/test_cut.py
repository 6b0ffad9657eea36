"""Streams cut at any place give the same result."""

from collections.abc import AsyncGenerator, Generator, Iterable
from dataclasses import dataclass
from typing import Any

import pytest

from forefront import APIConnectionError, APIError, AsyncStream, Stream
from forefront.client.chat_stream import ChatStream
from forefront.client.decoding import is_last_event, read_response_event, read_text_chunk
from tests.contract.cases import Case, body_of, load
from tests.contract.test_python import Outcome

# Longer bodies are cut at fewer places, so that a run takes seconds.
_LONG = 4000
_STRIDE = 97


def readers(case: Case) -> tuple[Any, ...]:
    """The arguments of a stream of the case's kind: what reads an event, and which one is the last."""
    if case.call[0].startswith("responses."):
        return read_response_event, is_last_event
    return (read_text_chunk,)


@dataclass
class Pieces:
    """A body that comes in given pieces."""

    body: Iterable[bytes]
    breaks: bool
    request_id: str | None = None

    def iter_bytes(self) -> Generator[bytes, None, None]:
        yield from self.body
        if self.breaks:
            raise APIConnectionError("The connection broke.", request_id=self.request_id)

    def resume(self, last_id: str | None, error: APIConnectionError) -> None:
        raise error

    def expect_end(self) -> None:
        """There is nothing to wait for."""

    def abort(self) -> None:
        """There is nothing to abort."""

    def close(self) -> None:
        """There is nothing to close."""


@dataclass
class AsyncPieces:
    """The same for asyncio."""

    inner: Pieces
    request_id: str | None = None

    async def iter_bytes(self) -> AsyncGenerator[bytes, None]:
        for piece in self.inner.iter_bytes():
            yield piece

    async def resume(self, last_id: str | None, error: APIConnectionError) -> None:
        raise error

    def expect_end(self) -> None:
        """There is nothing to wait for."""

    async def close(self) -> None:
        """There is nothing to close."""


def is_cut(case: Case) -> bool:
    answer = case.exchanges[-1]["answer"] if case.content["exchanges"] else {}
    headers = answer.get("headers", {})
    return case.streams and answer.get("end") != "hang" and headers.get("content-type", "").startswith("text/event-")


CASES = [case for case in load() if is_cut(case)]


def incoming(case: Case, cut: Iterable[bytes]) -> Pieces:
    answer = case.exchanges[-1]["answer"]
    return Pieces(cut, answer.get("end") == "early", answer["headers"].get("x-request-id"))


def read(case: Case, cut: Iterable[bytes]) -> Outcome:
    outcome, source = Outcome(), incoming(case, cut)
    is_chat = case.call[0].startswith("chat.")
    stream: Any = ChatStream(source) if is_chat else Stream(source, *readers(case))
    try:
        for chunk in stream:
            outcome.add(chunk)
        outcome.final = stream.final_completion() if is_chat else None
    except APIError as error:
        outcome.error = error
    return outcome


def facts(outcome: Outcome) -> tuple[object, ...]:
    return (outcome.texts, outcome.chunks, outcome.final, type(outcome.error), str(outcome.error))


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.id)
def test_every_cut_gives_the_same_result(case: Case) -> None:
    body = body_of(case.exchanges[-1]["answer"])
    whole = read(case, [body])
    whole.check(case.expect)
    assert facts(read(case, (body[i : i + 1] for i in range(len(body))))) == facts(whole)
    for place in range(1, len(body), 1 if len(body) <= _LONG else _STRIDE):
        assert facts(read(case, [body[:place], body[place:]])) == facts(whole), place


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.id)
async def test_byte_by_byte_with_asyncio(case: Case) -> None:
    body = body_of(case.exchanges[-1]["answer"])
    outcome = Outcome()
    source = AsyncPieces(incoming(case, (body[i : i + 1] for i in range(len(body)))))
    try:
        async for _ in AsyncStream(source, *readers(case)):
            outcome.chunks += 1
    except APIError as error:
        outcome.error = error
    assert outcome.chunks == case.expect.get("chunks", 0)
    assert type(outcome.error).__name__ == case.expect.get("error", {}).get("class", "NoneType")
