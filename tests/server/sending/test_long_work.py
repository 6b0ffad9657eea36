"""Work that grows with the choices of a request leaves turns of the event loop to other tasks."""

import asyncio
import time
from collections.abc import AsyncIterator

import msgspec
from starlette.types import Message

from forefront.catalog.catalog import Build, LoadedModel, ModelUse, ServedModel
from forefront.chat.events import ChoiceEnd, Completed, ContentDelta, Event, Started
from forefront.chat.output.choice_decoder import TokenTexts
from forefront.chat.output.decoders import text_decoders
from forefront.server.sending.response_memory import ResponseMemory
from forefront.server.sending.send_body import send_body
from forefront.server.sending.text_encoder import TextCompletionEncoder
from forefront.wire.completions.request import CompletionRequest
from forefront.wire.completions.response import TokenLogprob, TopLogprob
from tests.support.backends.instant import InstantBackend

_CHOICES, _TOKENS = 32, 2000


class Turns:
    """Counts the turns of another task while the context is open."""

    def __init__(self) -> None:
        self.count = 0

    async def __aenter__(self) -> "Turns":
        self._task = asyncio.create_task(self._take())
        return self

    async def __aexit__(self, *_: object) -> None:
        self._task.cancel()

    async def _take(self) -> None:
        while True:
            self.count += 1
            await asyncio.sleep(0)


async def test_decoders_of_many_choices_are_made_in_turns() -> None:
    request = CompletionRequest(model="m", prompt="x", n=16)
    async with Turns() as turns:
        await text_decoders(request, TokenTexts([b"x"]), [[5]] * 2000)
    assert turns.count > 4


async def test_an_answer_of_many_choices_is_encoded_in_turns() -> None:
    loaded = LoadedModel(InstantBackend(), 0, "fp_instant", Build("none", "none", "instant"))
    model, memory = ModelUse(ServedModel.permanent("m", loaded)), ResponseMemory(lambda _: None)
    top = [TopLogprob(token=f"t{number}", logprob=-float(number), bytes=[65]) for number in range(20)]
    tokens = [TokenLogprob(token="c", logprob=-1.0, bytes=[99], top_logprobs=top)] * _TOKENS
    request = CompletionRequest(model="m", prompt="x", n=_CHOICES, logprobs=20)
    encoder = TextCompletionEncoder(request, model, memory)

    async with Turns() as turns:
        before = 0

        async def events() -> AsyncIterator[Event]:
            nonlocal before
            yield Started(1, 0, fingerprint="fp")
            for index in range(_CHOICES):
                yield ContentDelta(index, "c" * _TOKENS, tokens)
                yield ChoiceEnd(index, "length")
            yield Completed(1, 4, 0)
            await asyncio.sleep(0)
            before = turns.count

        body = msgspec.json.encode(await encoder.whole(events()))
        assert turns.count > before
    choices = msgspec.json.decode(body)["choices"]
    assert [(choice["index"], len(choice["logprobs"]["tokens"])) for choice in choices] == [
        (index, _TOKENS) for index in range(_CHOICES)
    ]


async def test_a_body_that_is_read_at_once_is_sent_in_turns() -> None:
    sent: list[Message] = []

    async def send(message: Message) -> None:
        sent.append(message)
        end = time.thread_time() + 0.001
        while time.thread_time() < end:
            pass

    async with Turns() as turns:
        await send_body(send, bytes(10 * 2**20))
    assert len(sent) == 160
    assert turns.count > 10
