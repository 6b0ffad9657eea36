"""The `openai` package for Python: answers of chat, whole and streamed."""

import secrets
from typing import Any

import pytest
from openai import AsyncOpenAI, LengthFinishReasonError, OpenAI

from tests.interop.requests import ASK, ENDLESS, QUESTION
from tests.support.server import RunningServer


def text(peer: OpenAI, **fields: Any) -> str:
    """The content of the one answer."""
    return peer.chat.completions.create(**ASK | fields).choices[0].message.content or ""


def test_an_answer_whole_and_streamed_with_its_usage(peer: OpenAI) -> None:
    whole = peer.chat.completions.create(**ASK)
    with peer.chat.completions.create(**ASK, stream=True, stream_options={"include_usage": True}) as stream:
        chunks = list(stream)
    assert whole.choices[0].message.role == "assistant"
    assert whole.choices[0].message.content
    assert whole.choices[0].finish_reason == "length"
    assert "".join(c.choices[0].delta.content or "" for c in chunks if c.choices) == whole.choices[0].message.content
    assert [c.choices[0].finish_reason for c in chunks if c.choices][-1] == "length"
    assert len({(c.id, c.created, c.model, c.object) for c in chunks}) == 1
    assert all(chunk.usage is None for chunk in chunks[:-1])
    usage = chunks[-1].usage
    assert whole.usage
    assert usage
    assert usage.prompt_tokens == whole.usage.prompt_tokens
    assert usage.completion_tokens == whole.usage.completion_tokens == ASK["max_tokens"]
    assert usage.total_tokens == usage.prompt_tokens + usage.completion_tokens
    assert usage.prompt_tokens_details
    assert usage.completion_tokens_details


async def test_the_asynchronous_client_gets_the_same(peer: OpenAI, async_peer: AsyncOpenAI) -> None:
    whole = await async_peer.chat.completions.create(**ASK)
    assert whole.choices[0].message.content == text(peer)
    parts = [
        chunk.choices[0].delta.content or ""
        async for chunk in await async_peer.chat.completions.create(**ASK, stream=True)
    ]
    assert "".join(parts) == text(peer)
    assert len(parts) > 3


def test_the_helper_puts_a_stream_together(peer: OpenAI) -> None:
    seen = ""
    with peer.chat.completions.stream(**ASK | {"stop": "\n", "logprobs": True, "max_tokens": 200}) as stream:
        for event in stream:
            if event.type == "content.delta":
                seen += event.delta
        final = stream.get_final_completion()
    assert final.choices[0].finish_reason == "stop"
    assert final.choices[0].message.content == seen == text(peer, stop="\n", max_tokens=200)
    assert final.choices[0].logprobs
    assert final.choices[0].logprobs.content


async def test_the_asynchronous_helper(async_peer: AsyncOpenAI) -> None:
    async with async_peer.chat.completions.stream(**ASK) as stream:
        seen = [event.delta async for event in stream if event.type == "content.delta"]
        # What `max_tokens` is to it.
        with pytest.raises(LengthFinishReasonError):
            await stream.get_final_completion()
    assert seen


def test_choices_and_log_probabilities(peer: OpenAI) -> None:
    request_fields = ASK | {"n": 2, "temperature": 1.5, "seed": 1, "logprobs": True, "top_logprobs": 3}
    whole = peer.chat.completions.create(**request_fields)
    assert [choice.index for choice in whole.choices] == [0, 1]
    assert whole.choices[0].message.content != whole.choices[1].message.content
    for choice in whole.choices:
        assert choice.logprobs
        tokens = choice.logprobs.content or []
        assert b"".join(bytes(token.bytes or []) for token in tokens).decode() == choice.message.content
        assert all(token.logprob <= 0 and len(token.top_logprobs) == 3 for token in tokens)
    parts = ["", ""]
    for chunk in peer.chat.completions.create(**request_fields, stream=True):
        for piece in chunk.choices:
            parts[piece.index] += piece.delta.content or ""
    assert parts == [choice.message.content for choice in whole.choices]


def test_stop_seed_and_bias(peer: OpenAI) -> None:
    plain = text(peer)
    stop = plain[4:7]
    assert text(peer, stop=stop) == text(peer, stop=[stop, "never said"]) == plain.partition(stop)[0]
    hot = {"temperature": 1.5, "seed": 7}
    assert text(peer, **hot) == text(peer, **hot) != text(peer, **hot | {"seed": 8})
    biased = text(peer, model="tiny", max_tokens=4, logit_bias={"70": 100})
    assert len(biased) == 4
    assert len(set(biased)) == 1


def test_max_completion_tokens(peer: OpenAI) -> None:
    request_fields = {name: value for name, value in ASK.items() if name != "max_tokens"}
    usage = peer.chat.completions.create(**request_fields, max_completion_tokens=3).usage
    assert usage
    assert usage.completion_tokens == 3


def test_every_role_and_kind_of_content(peer: OpenAI) -> None:
    lines = ["Write a recipe", "for an italian dinner"]
    parts = [{"type": "text", "text": line} for line in lines]
    whole = [{"role": "user", "content": "\n".join(lines)}]
    assert text(peer, messages=[{"role": "user", "content": parts}]) == text(peer, messages=whole)
    developer, system = ([{"role": role, "content": "Be brief."}, QUESTION] for role in ("developer", "system"))
    assert text(peer, messages=developer) == text(peer, messages=system)
    begun = text(peer)[:5]
    assert text(peer, messages=[QUESTION, {"role": "assistant", "content": begun}])
    greeting = peer.chat.completions.create(**ASK).choices[0].message
    assert text(peer, messages=[QUESTION, greeting, {"role": "user", "content": "Thank you"}])


def test_fields_beyond_the_package(peer: OpenAI) -> None:
    yes_or_no = text(peer, model="tiny", extra_body={"regex": "yes|no"})
    assert yes_or_no in ("yes", "no")
    assert text(peer, model="tiny", extra_body={"grammar": 'root ::= "left" | "right"'}) in ("left", "right")
    greedy = text(peer)
    assert text(peer, temperature=1.5, extra_body={"top_k": 1}) == greedy
    assert text(peer, temperature=1.5, extra_body={"min_p": 1}) == greedy
    late = peer.chat.completions.create(**ENDLESS, extra_body={"deadline_ms": 150})
    assert (late.choices[0].finish_reason or "") == "deadline"
    answer = peer.chat.completions.create(**ASK)
    assert answer.model_extra
    assert answer.model_extra["message"]["content"] == greedy
    assert answer.model_extra["receipt"]["weights"].startswith("sha256:")


def test_headers(peer: OpenAI, server: RunningServer) -> None:
    raw = peer.chat.completions.with_raw_response.create(
        **ASK, user="me", metadata={"trip": "1"}, extra_headers={"x-request-id": "req-of-mine"}
    )
    assert raw.request_id == raw.headers["x-request-id"] == "req-of-mine"
    assert raw.parse()._request_id == "req-of-mine"
    assert int(raw.headers["openai-processing-ms"]) >= 0
    assert raw.headers["x-ignored-params"] == "metadata, user"
    assert raw.parse().choices[0].message.content == text(peer)
    with server.client() as admin:
        limits = {"requests_per_minute": 9, "tokens_per_minute": 9000}
        key = admin.post("/admin/keys", json={"name": "limited", "limits": limits}).json()["key"]
    limited = peer.with_options(api_key=key).chat.completions.with_raw_response.create(**ASK)
    assert limited.headers["x-ratelimit-limit-requests"] == "9"
    assert limited.headers["x-ratelimit-remaining-requests"] == "8"
    assert int(limited.headers["x-ratelimit-remaining-tokens"]) < 9000
    assert limited.headers["x-ratelimit-reset-requests"].endswith("s")


def test_an_idempotency_key_replays_the_answer(peer: OpenAI) -> None:
    headers = {"Idempotency-Key": secrets.token_hex(8)}
    request_fields = ASK | {"temperature": 1.5}
    first = peer.chat.completions.with_raw_response.create(**request_fields, extra_headers=headers)
    again = peer.chat.completions.with_raw_response.create(**request_fields, extra_headers=headers)
    assert "idempotent-replayed" not in first.headers
    assert again.headers["idempotent-replayed"] == "true"
    assert again.parse() == first.parse()
    assert peer.chat.completions.create(**request_fields).id != first.parse().id
