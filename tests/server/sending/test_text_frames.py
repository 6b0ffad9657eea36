"""Text frames equal the frames of whole chunks."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from forefront.catalog.catalog import Build, LoadedModel, ModelUse, ServedModel
from forefront.chat.events import ChoiceEnd, Completed, ContentDelta, Event, Started
from forefront.server.http.body_memory import BodyMemory, RequestMemory
from forefront.server.sending.chat_encoder import ChatCompletionEncoder
from forefront.server.sending.response_encoder import ChunkEncoder
from forefront.server.sending.response_memory import ResponseMemory
from forefront.server.sending.sse import encode_event
from forefront.server.sending.text_encoder import TextCompletionEncoder
from forefront.wire.completions.request import ChatRequest, CompletionRequest
from forefront.wire.completions.response import TokenLogprob
from tests.support.backends.instant import InstantBackend

ODD_NAME = 'a"b\\"content":"text"\u2028é'


def encoder(kind: str) -> ChunkEncoder:
    loaded = LoadedModel(InstantBackend(), 0, "fp_instant", Build("none", "none", "instant"))
    model = ModelUse(ServedModel.permanent(ODD_NAME, loaded))
    memory = ResponseMemory(RequestMemory(BodyMemory()).grow)
    if kind == "chat":
        return ChatCompletionEncoder(ChatRequest(model="m", messages=[], n=3), model, memory)
    logprobs = 1 if kind == "text with logprobs" else None
    return TextCompletionEncoder(CompletionRequest(model="m", prompt="x", n=3, logprobs=logprobs), model, memory)


@pytest.mark.parametrize("kind", ["chat", "text", "text with logprobs"])
@settings(max_examples=25)
@given(st.lists(st.tuples(st.integers(0, 2), st.text(st.characters(codec="utf-8"), max_size=8)), max_size=6))
def test_text_frames_equal_encoded_chunks(kind: str, deltas: list[tuple[int, str]]) -> None:
    encoding = encoder(kind)
    encoding.start(Started(1, 0, fingerprint='fp"\\u0000,"content":""'))
    for index, text in deltas:
        delta = ContentDelta(index, text)
        assert encoding.frames(delta) == [encode_event(encoding.text_chunk(delta))]


@pytest.mark.parametrize("kind", ["chat", "text"])
def test_the_end_of_a_choice_keeps_its_place(kind: str) -> None:
    encoding, frames = encoder(kind), []
    logprob = TokenLogprob(token="c", logprob=-1.0, bytes=[99], top_logprobs=[])
    events: list[Event] = [
        Started(1, 0, fingerprint="fp"),
        ContentDelta(0, "a"),
        ChoiceEnd(0, "stop"),
        ContentDelta(1, "b"),
        ContentDelta(1, "c", [logprob]),
        ContentDelta(1, "d"),
        ChoiceEnd(1, "stop"),
        Completed(1, 4, 0),
    ]
    for event in events:
        frames += encoding.frames(event)
    text = b"".join(frames)
    places = [text.index(part) for part in (b'"a"', b'"stop"', b'"b"', b'"c"', b'"d"')]
    assert places == sorted(places)
    assert text.count(b'"stop"') == 2
