"""The `openai` package for Python: plain completions, and the list of models."""

from typing import Any

from openai import AsyncOpenAI, OpenAI

from tests.interop.requests import MODEL, NO_END

ASK: dict[str, Any] = {
    "model": "tiny",
    "prompt": "Once upon a time",
    "max_tokens": 6,
    "temperature": 0,
    "logit_bias": NO_END,
}


def test_a_continuation_whole_and_streamed(peer: OpenAI) -> None:
    whole = peer.completions.create(**ASK)
    chunks = list(peer.completions.create(**ASK, stream=True, stream_options={"include_usage": True}))
    assert whole.object == "text_completion"
    assert whole.choices[0].text
    assert "".join(chunk.choices[0].text for chunk in chunks if chunk.choices) == whole.choices[0].text
    assert [chunk.choices[0].finish_reason for chunk in chunks if chunk.choices][-1] == "length"
    assert chunks[-1].usage.completion_tokens == whole.usage.completion_tokens == 6


def test_echo_and_log_probabilities(peer: OpenAI) -> None:
    choice = peer.completions.create(**ASK | {"model": MODEL}, echo=True, logprobs=2).choices[0]
    assert choice.text.startswith(ASK["prompt"])
    scores = choice.logprobs
    assert "".join(scores.tokens) == choice.text
    assert scores.token_logprobs[0] is None
    assert all(value <= 0 for value in scores.token_logprobs[1:])
    assert [
        choice.text[place:][: len(token)] for place, token in zip(scores.text_offset, scores.tokens, strict=True)
    ] == (scores.tokens)
    assert all(1 <= len(top) <= 3 for top in scores.top_logprobs[1:])


def test_several_prompts_and_choices(peer: OpenAI) -> None:
    fields = ASK | {"prompt": ["One", "Two"], "n": 2, "temperature": 1, "seed": 3}
    choices = peer.completions.create(**fields).choices
    assert [choice.index for choice in choices] == [0, 1, 2, 3]
    ids = peer.completions.create(**ASK | {"prompt": [65, 66, 67]})
    assert ids.usage.prompt_tokens == 3


async def test_the_asynchronous_client(peer: OpenAI, async_peer: AsyncOpenAI) -> None:
    answer = await async_peer.completions.create(**ASK)
    assert answer.choices[0].text == peer.completions.create(**ASK).choices[0].text


async def test_models(peer: OpenAI, async_peer: AsyncOpenAI) -> None:
    listed = {model.id: model for model in peer.models.list()}
    assert {MODEL, "tiny"} <= listed.keys()
    for name, model in listed.items():
        assert model.object == "model"
        assert model.created > 0
        assert peer.models.retrieve(name) == model
    assert [model.id async for model in async_peer.models.list()] == list(listed)


def test_the_best_of_as_many_choices_are_all_of_them(peer: OpenAI) -> None:
    answer = peer.completions.create(model=MODEL, prompt="Once", n=2, best_of=2, max_tokens=4)
    assert [choice.index for choice in answer.choices] == [0, 1]
