"""One attempt at a replica: send the request → decode the answer → events."""

import asyncio
import logging
from collections.abc import AsyncGenerator, Sequence
from typing import Final

from forefront.chat.events import Event
from forefront.upstream.decoding.answer import Answer
from forefront.upstream.decoding.answer_decoder import AnswerDecoder
from forefront.upstream.decoding.errors import ErrorChunkError, MalformedAnswerError
from forefront.upstream.error_mapping import error_of, malformed_error, read_error
from forefront.upstream.http.event_stream import EventStream
from forefront.upstream.http.http_client import UpstreamClient
from forefront.wire.errors import RequestError

log = logging.getLogger(__name__)

# Seconds for the usage, once every choice has ended.
_USAGE_SECONDS: Final = 5.0


async def stream_answer(
    client: UpstreamClient, answer: Answer, deadline: float | None, model: str
) -> AsyncGenerator[list[Event], None]:
    """The events of one attempt as they arrive, from the first part of the answer to `Completed`. `deadline` is on the
    event loop's clock. `model` is the model's name at the upstream. Raises `UpstreamError`."""
    prepared, replica, decoder = answer.prepared, answer.replica, answer.decoder
    try:
        async with client.stream(replica, prepared.path, prepared.body, deadline) as stream:
            while payloads := await stream.read():
                events, fault = _decode(decoder, payloads)
                if events:
                    stream.progressed()
                    yield events if answer.first is not None else [answer.start(), *events]
                if fault is not None:
                    raise fault
                if decoder.complete:
                    if not stream.ended:
                        await _read_usage(stream, decoder)
                    break
    except TimeoutError:
        events = list(decoder.cut())
        yield events if answer.first is not None else [answer.start(), *events]
    except MalformedAnswerError as error:
        raise malformed_error(replica, str(error)) from None
    except ErrorChunkError as error:
        body = read_error(error.body)
        raise error_of(body, body.status or 500, replica) from None
    if not decoder.complete:
        raise malformed_error(replica, "its answer ends before a choice does")
    yield [answer.completed(model)]


def _decode(decoder: AnswerDecoder, payloads: Sequence[bytes]) -> tuple[list[Event], Exception | None]:
    """The events of chunks, and the error of the next one."""
    events: list[Event] = []
    try:
        for event in decoder.decode_all(payloads):
            events.append(event)  # noqa: PERF402 - those before the fault are kept
    except (MalformedAnswerError, ErrorChunkError) as error:
        return events, error
    return events, None


async def _read_usage(stream: EventStream, decoder: AnswerDecoder) -> None:
    """Read the usage, which follows the end of every choice. A fault there does not affect the answer."""
    try:
        async with asyncio.timeout(_USAGE_SECONDS):
            while payloads := await stream.read():
                for _ in decoder.decode_all(payloads):
                    pass
    except (TimeoutError, RequestError, MalformedAnswerError, ErrorChunkError) as error:
        log.info("no usage follows an answer: %s", error)
