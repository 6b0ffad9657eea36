"""Predicted outputs of a model with exact activations, where the answer does not depend on drafts."""

from collections.abc import AsyncIterator
from typing import Any

import pytest

from forefront.chat.events import Completed, ContentDelta
from forefront.chat.local.loading import ModelOptions, ModelParts, load_backend
from forefront.chat.local.local_backend import LocalBackend
from forefront.fairness.tenant import NO_TENANT
from forefront.wire.completions.message import Message
from forefront.wire.completions.request import ChatRequest, Prediction

EXACT = ModelOptions(contexts=4, quantize_activations=False)
LENGTH = 80


@pytest.fixture
async def backend(mini_parts: ModelParts) -> AsyncIterator[LocalBackend]:
    backend = load_backend(mini_parts, EXACT)
    backend.start()
    yield backend
    await backend.close()


def request(prediction: str | None = None, **fields: Any) -> ChatRequest:
    messages = [Message(role="user", content="How do I boil an egg?")]
    predicted = None if prediction is None else Prediction(type="content", content=prediction)
    fields = {"temperature": 0.0, "max_tokens": LENGTH, "ignore_eos": True} | fields
    return ChatRequest(model="m", messages=messages, prediction=predicted, **fields)


async def answer(backend: LocalBackend, request: ChatRequest) -> tuple[list[str], Completed]:
    """The texts of the choices, and the end."""
    texts = [""] * (request.n or 1)
    async for event in backend.run(await backend.prepare(request, NO_TENANT)).events:
        match event:
            case ContentDelta(index=index, text=text):
                texts[index] += text
            case Completed():
                return texts, event
    raise AssertionError("no end")


@pytest.mark.parametrize(
    "fields", [{}, {"logprobs": True, "top_logprobs": 2}, {"seed": 4, "presence_penalty": 0.5}, {"n": 3}], ids=str
)
async def test_a_prediction_changes_steps_but_no_output(backend: LocalBackend, fields: dict[str, Any]) -> None:
    expected, plain = await answer(backend, request(**fields))
    assert plain.predicted is None
    before = backend.stats()
    texts, end = await answer(backend, request(expected[0], **fields))
    assert texts == expected
    assert (end.prompt_tokens, end.completion_tokens) == (plain.prompt_tokens, plain.completion_tokens)
    assert end.predicted is not None
    accepted, rejected = end.predicted
    after = backend.stats()
    assert end.completion_tokens // 8 < accepted < end.completion_tokens
    assert accepted <= after.accepted_tokens - before.accepted_tokens
    assert accepted + rejected <= after.draft_tokens - before.draft_tokens


async def test_a_wrong_prediction_changes_nothing(backend: LocalBackend) -> None:
    expected, _ = await answer(backend, request())
    for text in ("", "?!" * 400, expected[0][::-1], "<|im_end|>" * 40):
        texts, end = await answer(backend, request(text))
        assert texts == expected
        assert end.predicted is not None
        assert end.predicted[0] < LENGTH // 2


async def test_without_speculation_a_prediction_is_ignored(mini_parts: ModelParts) -> None:
    backend = load_backend(mini_parts, ModelOptions(contexts=4, speculation="off"))
    assert backend.ignored(request("text")) == ("prediction",)
    assert backend.ignored(request()) == ()
    backend.start()
    _, end = await answer(backend, request("text", max_tokens=3))
    assert end.predicted == (0, 0)
    await backend.close()
