"""Work that grows with the choices of a request leaves turns of the event loop to other tasks."""

import asyncio
import gc
import itertools
import time
from collections.abc import AsyncIterator, Awaitable, Callable

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

_CHOICES, _TOKENS = 16, 2000


async def longest_turn(work: Callable[[], Awaitable[object]]) -> tuple[float, float]:
    """Processor seconds: the most between two turns of another task, and all of them."""
    turns = [time.thread_time()]

    async def take_turns() -> None:
        while True:
            turns.append(time.thread_time())
            await asyncio.sleep(0)

    other = asyncio.create_task(take_turns())
    await asyncio.sleep(0)
    gc.disable()  # a collection of all objects of the test process is no work of the request
    begin = time.thread_time()
    await work()
    await asyncio.sleep(0)
    gc.enable()
    other.cancel()
    return max(late - early for early, late in itertools.pairwise(turns)), time.thread_time() - begin


async def test_decoders_of_many_choices_are_made_in_turns() -> None:
    request = CompletionRequest(model="m", prompt="x", n=_CHOICES)
    prompts = [[5]] * 2000
    longest, whole = await longest_turn(lambda: text_decoders(request, TokenTexts([b"x"]), prompts))
    assert longest < whole / 4


async def test_an_answer_of_many_choices_is_encoded_in_turns() -> None:
    loaded = LoadedModel(InstantBackend(), 0, "fp_instant", Build("none", "none", "instant"))
    model, memory = ModelUse(ServedModel.permanent("m", loaded)), ResponseMemory(lambda _: None)
    top = [TopLogprob(token=f"t{number}", logprob=-float(number), bytes=[65]) for number in range(20)]
    tokens = [TokenLogprob(token="c", logprob=-1.0, bytes=[99], top_logprobs=top)] * 20
    request = CompletionRequest(model="m", prompt="x", n=_CHOICES, logprobs=20)
    encoder = TextCompletionEncoder(request, model, memory)

    async def events() -> AsyncIterator[Event]:
        yield Started(1, 0, fingerprint="fp")
        for index in range(_CHOICES):
            for _ in range(_TOKENS // 20):
                yield ContentDelta(index, "c" * 20, tokens)
                await asyncio.sleep(0)
            yield ChoiceEnd(index, "length")
        yield Completed(1, 4, 0)

    made: list[bytes] = []

    async def answer() -> None:
        made.append(msgspec.json.encode(await encoder.whole(events())))

    longest, whole = await longest_turn(answer)
    choices = msgspec.json.decode(made[0])["choices"]
    assert [len(str(choice)) > 20 * _TOKENS for choice in choices] == [True] * _CHOICES
    assert longest < whole / 32


async def test_a_body_that_is_read_at_once_is_sent_in_turns() -> None:
    sent: list[Message] = []

    async def send(message: Message) -> None:
        sent.append(message)
        end = time.thread_time() + 0.001
        while time.thread_time() < end:
            pass

    longest, whole = await longest_turn(lambda: send_body(send, bytes(10 * 2**20)))
    assert len(sent) == 160
    assert longest < whole / 4
