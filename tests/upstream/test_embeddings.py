"""Embeddings and rankings of upstreams: the forms of many servers, batches, usage and faults."""

import base64
import struct
from typing import Any

import numpy as np
import pytest

from forefront.upstream.embeddings import PreparedTexts, read_scores, read_vectors
from forefront.upstream.upstream_backend import UpstreamBackend
from forefront.wire.embeddings import EmbeddingRequest, RerankRequest
from forefront.wire.errors import RequestError
from tests.support.upstreams.faulty_upstream import FaultyUpstream
from tests.support.upstreams.upstream_answers import Answer, ReceivedRequest, whole
from tests.upstream.backends import TENANT, open_backend


def entry(index: int, *numbers: float) -> dict[str, Any]:
    return {"object": "embedding", "index": index, "embedding": list(numbers)}


def packed(*numbers: float) -> str:
    return base64.b64encode(struct.pack(f"<{len(numbers)}f", *numbers)).decode()


@pytest.mark.parametrize(
    "answer",
    [
        {"object": "list", "data": [entry(0, 1, 2), entry(1, 3, 4)]},
        {"data": [entry(1, 3, 4), entry(0, 1, 2)]},
        {"data": [{"embedding": packed(1, 2)}, {"embedding": packed(3, 4)}]},
        [entry(0, 1, 2), entry(1, 3, 4)],
    ],
)
def test_vectors_in_the_forms_of_servers(answer: Any) -> None:
    assert [vector.tolist() for vector in read_vectors(answer, 2)] == [[1, 2], [3, 4]]


@pytest.mark.parametrize(
    "answer",
    [
        {"results": [{"index": 1, "relevance_score": 0.5}, {"index": 0, "relevance_score": 2}]},
        {"results": [{"index": 1, "score": 0.5, "document": {"text": "b"}}, {"index": 0, "score": 2}]},
        {"data": [{"index": 0, "relevance_score": 2}, {"index": 1, "relevance_score": 0.5}]},
        [{"score": 0.5, "index": 1, "document": "b"}, {"score": 2.0, "index": 0, "document": "a"}],
    ],
)
def test_scores_in_the_forms_of_servers(answer: Any) -> None:
    assert [vector.tolist() for vector in read_scores(answer, 2)] == [[2], [0.5]]


@pytest.mark.parametrize(
    "data",
    [
        None,
        [],
        [entry(0, 1)],
        [entry(0, 1), entry(0, 1)],
        [entry(0, 1), entry(2, 1)],
        [entry(0, 1), entry(-1, 1)],
        [entry(0, 1), entry(1, 1, 2)],
        [entry(0), entry(1)],
        [entry(0, 1), {"index": 1}],
        [entry(0, 1), {"index": 1, "embedding": "!"}],
        [entry(0, 1), {"index": 1, "embedding": "AAA="}],
        [entry(0, 1), {"index": 1, "embedding": packed(float("nan"))}],
        [entry(0, 1), {"index": 1, "embedding": [True]}],
        [entry(0, 1), {"index": 1, "embedding": ["1"]}],
        [entry(0, 1), {"index": 1, "embedding": [1e300]}],
        [entry(0, 1), {"index": True, "embedding": [1]}],
        [entry(0, 1), 5],
        [entry(0, *[1.0] * 70_000), entry(1, *[1.0] * 70_000)],
    ],
)
def test_invalid_vectors(data: Any) -> None:
    with pytest.raises(ValueError, match="it"):
        read_vectors({"data": data}, 2)


@pytest.mark.parametrize("score", [None, "1", True, float("nan"), float("inf")])
def test_invalid_scores(score: Any) -> None:
    with pytest.raises(ValueError, match="without a score"):
        read_scores({"results": [{"index": 0, "relevance_score": score}]}, 1)


def embeds(request: ReceivedRequest) -> Answer:
    """A vector of the length of each text, or each document's length as its score."""
    body = request.json
    if request.path.endswith("/rerank"):
        results = [{"index": index, "relevance_score": len(text)} for index, text in enumerate(body["documents"])]
        return whole({"results": results, "usage": {"total_tokens": len(results)}})
    data = [entry(index, len(text), 1) for index, text in enumerate(body["input"])]
    return whole({"object": "list", "data": data, "usage": {"prompt_tokens": len(data), "total_tokens": len(data)}})


def texts(count: int, **fields: Any) -> EmbeddingRequest:
    return EmbeddingRequest(model="big", input=["x" * (1 + number % 7) for number in range(count)], **fields)


async def prepare(backend: UpstreamBackend, request: EmbeddingRequest) -> PreparedTexts:
    return await backend.prepare_embeddings(request, TENANT)


async def test_many_texts_go_in_batches(upstream: FaultyUpstream, backend: UpstreamBackend) -> None:
    upstream.behaviour = embeds
    request = texts(300)
    prepared = await prepare(backend, request)
    result = await backend.embed(prepared)
    assert [vector[0] for vector in result.vectors] == [len(text) for text in request.inputs]
    assert [len(received.json["input"]) for received in upstream.completions] == [128, 128, 44]
    assert (result.prompt_tokens, result.estimated) == (300, False)
    assert prepared.count == 300
    assert prepared.prompt_tokens >= sum(len(text) for text in request.inputs)
    # The width is known from now on, so that no more memory is reserved than a response takes.
    assert (await prepare(backend, request)).dimensions == 2


async def test_a_ranking_has_every_score(upstream: FaultyUpstream, backend: UpstreamBackend) -> None:
    upstream.behaviour = embeds
    request = RerankRequest(model="big", query="q", documents=["a", "bbb", "cc"], top_n=1)
    result = await backend.embed(await backend.prepare_ranking(request, TENANT))
    assert np.concatenate(result.vectors).tolist() == [1, 3, 2]
    assert (result.prompt_tokens, result.estimated) == (3, False)
    [received] = upstream.completions
    assert received.json == {"model": "upstream-model", "query": "q", "documents": ["a", "bbb", "cc"], "top_n": 3}


@pytest.mark.parametrize("tokens", [None, -1, 0, 10**9, "5", True])
async def test_usage_that_cannot_be_right_is_estimated(
    tokens: Any, upstream: FaultyUpstream, backend: UpstreamBackend
) -> None:
    upstream.behaviour = whole({"data": [entry(0, 1)], "usage": {"prompt_tokens": tokens}})
    prepared = await prepare(backend, texts(1))
    result = await backend.embed(prepared)
    assert result.estimated
    assert result.prompt_tokens == prepared.prompt_tokens > 0


@pytest.mark.parametrize(
    ("answer", "code"),
    [
        (whole({"data": []}), "upstream_failed"),
        (whole(b"<html>", content_type="text/html"), "upstream_failed"),
        (whole({"error": {"message": "CUDA failed at 10.1.2.3", "code": 500}}), "upstream_failed"),
        (whole({"error": {"message": "bad"}}, status=500), "upstream_failed"),
        (whole({"error": {"message": "no"}}, status=404), "upstream_failed"),
        (whole({"error": {"message": "busy"}}, status=429), "overloaded"),
        (whole(b"", status=503), "upstream_unavailable"),
        (whole({"error": {"message": "input is too long"}}, status=400), "context_length_exceeded"),
        (whole({"error": {"message": "input has a bad token"}}, status=400), "invalid_value"),
    ],
)
async def test_failures(answer: Answer, code: str, upstream: FaultyUpstream, backend: UpstreamBackend) -> None:
    upstream.behaviour = answer
    prepared = await prepare(backend, texts(2))
    with pytest.raises(RequestError) as failed:
        await backend.embed(prepared)
    assert failed.value.code == code
    assert "10.1.2.3" not in failed.value.message


async def test_a_failed_batch_goes_to_another_replica(upstream: FaultyUpstream) -> None:
    upstream.behaviour = embeds
    upstream.paths["/a/v1/embeddings"] = whole(b"", status=503)
    upstream.paths["/b/v1/embeddings"] = embeds
    base = upstream.url.removesuffix("/v1")
    async with open_backend(f"{base}/a/v1", f"{base}/b/v1") as backend:
        result = await backend.embed(await prepare(backend, texts(1)))
    assert result.vectors[0].tolist() == [1, 1]


async def test_vectors_of_another_width_than_requested(upstream: FaultyUpstream, backend: UpstreamBackend) -> None:
    """A server that ignores `dimensions`."""
    upstream.behaviour = embeds
    prepared = await prepare(backend, texts(1, dimensions=1))
    assert prepared.bodies[0]["dimensions"] == 1
    with pytest.raises(RequestError, match="failed"):
        await backend.embed(prepared)


@pytest.mark.parametrize(
    ("dialect", "dimensions", "ranks", "base64_vectors"),
    [
        ("forefront", True, True, True),
        ("vllm", True, True, True),
        ("sglang", True, True, False),
        ("llama.cpp", False, True, False),
        ("ollama", True, False, False),
        ("ovms", False, True, False),
        ("openai", True, False, True),
        ("generic", True, True, False),
    ],
)
async def test_dialects(dialect: str, dimensions: bool, ranks: bool, base64_vectors: bool) -> None:
    async with open_backend("http://127.0.0.1:9/v1", dialect=dialect) as backend:
        body = (await prepare(backend, texts(1))).bodies[0]
        assert body.get("encoding_format") == ("base64" if base64_vectors else None)
        ranking = RerankRequest(model="big", query="q", documents=["a"])
        for supported, call, param in (
            (dimensions, backend.prepare_embeddings(texts(1, dimensions=8), TENANT), "dimensions"),
            (ranks, backend.prepare_ranking(ranking, TENANT), "model"),
        ):
            try:
                await call
                assert supported
            except RequestError as refused:
                assert not supported
                assert refused.param == param
                assert dialect in refused.message
