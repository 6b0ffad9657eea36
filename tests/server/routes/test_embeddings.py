"""`POST /v1/embeddings` and `POST /v1/rerank` on a server with tiny models of random weights."""

import asyncio
import base64
import json
import os
import re
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import openai
import pytest

from forefront.graph.gguf.gguf_file import GgufFile
from tests.support.models.hf_directory import write_tokenizer
from tests.support.models.hf_encoder import CHECKPOINTS, write_encoder_checkpoint
from tests.support.models.random_encoder import ENCODERS, write_encoder
from tests.support.server import RunningServer, run_server
from tests.support.services.otlp import Collector, attributes, run_collector

MODELS = {"mean": "nomic-bert", "last": "qwen3", "rank": "bert, rank", "answers": "qwen3, yes and no"}


@pytest.fixture(scope="module")
def collector() -> Iterator[Collector]:
    with run_collector() as running:
        yield running


@pytest.fixture(scope="module")
def encoders(tmp_path_factory: pytest.TempPathFactory, collector: Collector) -> Iterator[RunningServer]:
    folder = tmp_path_factory.mktemp("encoders")
    for name, family in MODELS.items():
        write_encoder(folder / f"{name}.gguf", ENCODERS[family])
    file = GgufFile(folder / "mean.gguf")
    write_encoder(folder / "gemma.gguf", ENCODERS["gemma-embedding"])
    write_encoder_checkpoint(folder / "directory", CHECKPOINTS["gemma-embedding"], GgufFile(folder / "gemma.gguf"))
    write_tokenizer(folder / "directory", file)
    paths = [str(folder / f"{name}.gguf") for name in (*MODELS, "gemma")] + [str(folder / "directory")]
    traces = {"OTEL_EXPORTER_OTLP_ENDPOINT": collector.url, "OTEL_BSP_SCHEDULE_DELAY": "100"}
    with run_server([*paths, "forefront-mini", "--threads", "1"], folder / "home", environment=traces) as running:
        yield running


def post(server: RunningServer, path: str, **fields: Any) -> Any:
    with server.client() as client:
        return client.post(f"/v1/{path}", json=fields)


def test_each_input_gets_a_vector_of_length_1(encoders: RunningServer) -> None:
    result = post(encoders, "embeddings", model="mean", input=["a word", "another and another", "a word"]).json()
    assert (result["object"], result["model"]) == ("list", "mean")
    assert [entry["index"] for entry in result["data"]] == [0, 1, 2]
    first, second, third = (np.array(entry["embedding"]) for entry in result["data"])
    assert np.linalg.norm(first) == pytest.approx(1, abs=1e-5)
    assert np.array_equal(first, third)
    assert not np.allclose(first, second)
    assert result["usage"]["prompt_tokens"] == result["usage"]["total_tokens"] > 0


@pytest.mark.parametrize("model", ["mean", "last"])
def test_one_text_alone_or_in_a_batch_of_many(encoders: RunningServer, model: str) -> None:
    texts = ["word " * length for length in range(1, 40)]
    batch = post(encoders, "embeddings", model=model, input=texts).json()["data"]
    alone = post(encoders, "embeddings", model=model, input=texts[7]).json()["data"][0]
    assert np.allclose(batch[7]["embedding"], alone["embedding"], atol=1e-4)


def test_texts_tokens_and_base64_are_the_same_vector(encoders: RunningServer) -> None:
    tokens = post(encoders, "tokenize", model="mean", prompt="a word").json()["tokens"]
    plain = post(encoders, "embeddings", model="mean", input="a word").json()["data"][0]["embedding"]
    for given in (tokens, [tokens]):
        assert post(encoders, "embeddings", model="mean", input=given).json()["data"][0]["embedding"] == plain
    packed = post(encoders, "embeddings", model="mean", input="a word", encoding_format="base64").json()
    decoded = np.frombuffer(base64.b64decode(packed["data"][0]["embedding"]), "<f4")
    assert np.array_equal(decoded, np.array(plain, np.float32))


def test_a_directory_gives_the_vectors_of_its_gguf_file(encoders: RunningServer) -> None:
    tokens = [[5, 6, 7], list(range(8, 60))]
    found, wanted = (
        [entry["embedding"] for entry in post(encoders, "embeddings", model=model, input=tokens).json()["data"]]
        for model in ("directory", "gemma")
    )
    assert np.allclose(found, wanted, atol=1e-2)
    assert post(encoders, "embeddings", model="directory", input="a word").json()["usage"]["prompt_tokens"] > 0


def test_a_yes_no_model_reranks(encoders: RunningServer) -> None:
    documents = ["a word", "another", "</s> and <|im_end|>"]
    made = post(encoders, "rerank", model="answers", query="a word", documents=documents).json()
    scores = {entry["index"]: entry["relevance_score"] for entry in made["results"]}
    assert sorted(scores) == [0, 1, 2]
    assert all(0 <= score <= 1 for score in scores.values())
    assert len(set(scores.values())) == 3
    # The prompt of Qwen 3's rerankers is around each pair.
    assert made["usage"]["total_tokens"] > 3 * 100


def test_the_openai_client(encoders: RunningServer) -> None:
    client = openai.OpenAI(base_url=f"{encoders.url}/v1", api_key=encoders.key)
    made = client.embeddings.create(model="last", input=["a", "b"], dimensions=16)
    assert [len(entry.embedding) for entry in made.data] == [16, 16]
    assert np.linalg.norm(made.data[0].embedding) == pytest.approx(1, abs=1e-5)
    assert made.usage.total_tokens == made.usage.prompt_tokens


def test_usage_is_in_the_ledger(encoders: RunningServer) -> None:
    result = post(encoders, "embeddings", model="mean", input=["a word", "and another"]).json()
    usage = encoders.get(f"/v1/usage/{result['id']}").json()
    assert usage["input_tokens"] == result["usage"]["prompt_tokens"]
    assert usage["output_tokens"] == 0


def test_a_repeated_request_is_computed_once(encoders: RunningServer) -> None:
    with encoders.client(headers={"idempotency-key": "embed-once"}) as client:
        body = {"model": "mean", "input": "a word"}
        first, again = client.post("/v1/embeddings", json=body), client.post("/v1/embeddings", json=body)
    assert first.content == again.content
    assert again.headers["idempotent-replayed"] == "true"


def test_a_ranking_is_sorted_and_shortened(encoders: RunningServer) -> None:
    documents: list[Any] = ["a word", "another", "and another", {"text": "a word and another"}]
    whole = post(encoders, "rerank", model="rank", query="a word", documents=documents).json()
    scores = [entry["relevance_score"] for entry in whole["results"]]
    assert scores == sorted(scores, reverse=True)
    assert sorted(entry["index"] for entry in whole["results"]) == [0, 1, 2, 3]
    best = post(
        encoders, "rerank", model="rank", query="a word", documents=documents, top_n=2, return_documents=True
    ).json()
    assert [entry["index"] for entry in best["results"]] == [entry["index"] for entry in whole["results"][:2]]
    texts = [entry if isinstance(entry, str) else entry["text"] for entry in documents]
    assert [entry["document"]["text"] for entry in best["results"]] == [
        texts[entry["index"]] for entry in best["results"]
    ]


def test_the_size_error_of_an_embedding_mentions_no_answer(encoders: RunningServer) -> None:
    message = post(encoders, "embeddings", model="mean", input="a" * 10**6).json()["error"]["message"]
    assert re.search(r"at least \d+ more than fit\.$", message), message


@pytest.mark.parametrize(
    ("path", "fields", "status", "code", "param"),
    [
        ("embeddings", {"model": "mean"}, 400, "missing_parameter", "input"),
        ("embeddings", {"model": "mean", "input": ""}, 422, "invalid_value", "input"),
        ("embeddings", {"model": "mean", "input": []}, 422, "invalid_value", "input"),
        ("embeddings", {"model": "mean", "input": ["a", ""]}, 422, "invalid_value", "input[1]"),
        ("embeddings", {"model": "mean", "input": ["a", 1]}, 422, "invalid_type", "input"),
        ("embeddings", {"model": "mean", "input": [[]]}, 422, "invalid_value", "input[0]"),
        ("embeddings", {"model": "mean", "input": [10**6]}, 422, "invalid_value", "input"),
        ("embeddings", {"model": "mean", "input": "a", "dimensions": 3}, 422, "invalid_value", "dimensions"),
        ("embeddings", {"model": "last", "input": "a", "dimensions": 10**4}, 422, "invalid_value", "dimensions"),
        ("embeddings", {"model": "mean", "input": "a", "encoding_format": "int8"}, 422, "invalid_value", None),
        ("embeddings", {"model": "mean", "input": ["a"] * 2049}, 422, "invalid_value", "input"),
        ("embeddings", {"model": "mean", "input": "a " * 600}, 400, "context_length_exceeded", "input"),
        ("embeddings", {"model": "mean", "input": "a" * 10**6}, 400, "context_length_exceeded", "input"),
        ("embeddings", {"model": "rank", "input": "a"}, 400, "unsupported_parameter", "model"),
        ("embeddings", {"model": "forefront-mini", "input": "a"}, 400, "unsupported_parameter", "model"),
        ("embeddings", {"model": "nothing", "input": "a"}, 404, "model_not_found", "model"),
        ("rerank", {"model": "rank", "query": "a"}, 400, "missing_parameter", "documents"),
        ("rerank", {"model": "rank", "query": "a", "documents": []}, 422, "invalid_value", "documents"),
        ("rerank", {"model": "rank", "query": "a", "documents": [1]}, 422, "invalid_type", "documents[0]"),
        ("rerank", {"model": "mean", "query": "a", "documents": ["b"]}, 400, "unsupported_parameter", "model"),
        ("completions", {"model": "mean", "prompt": "a"}, 400, "unsupported_parameter", "model"),
        (
            "chat/completions",
            {"model": "mean", "messages": [{"role": "user", "content": "a"}]},
            400,
            "unsupported_parameter",
            "model",
        ),
    ],
)
def test_wrong_requests(
    encoders: RunningServer, path: str, fields: dict[str, Any], status: int, code: str, param: str | None
) -> None:
    response = post(encoders, path, **fields)
    error = response.json()["error"]
    assert (response.status_code, error["code"]) == (status, code), error
    assert param is None or error["param"] == param


async def test_generation_continues_beside_embeddings(encoders: RunningServer) -> None:
    async with encoders.async_client() as client:
        texts = {"model": "mean", "input": ["word " * 90] * 100}
        chat = {"model": "forefront-mini", "messages": [{"role": "user", "content": "Hello"}], "max_tokens": 8}
        responses = await asyncio.gather(
            *(client.post("/v1/embeddings", json=texts) for _ in range(3)),
            *(client.post("/v1/chat/completions", json=chat) for _ in range(3)),
        )
    assert [response.status_code for response in responses] == [200] * 6


def test_requests_are_spans_of_the_clients_trace(encoders: RunningServer, collector: Collector) -> None:
    parent = {"traceparent": f"00-{'ab' * 16}-{'cd' * 8}-01"}
    with encoders.client() as client:
        body = {"model": "mean", "input": "a word", "encoding_format": "base64"}
        first = client.post("/v1/embeddings", json=body, headers=parent).json()
        ranking = {"model": "rank", "query": "a", "documents": ["b", "c"]}
        second = client.post("/v1/rerank", json=ranking, headers=parent).json()
    names = ("embeddings mean", "rerank rank")
    deadline, spans = time.monotonic() + 60, dict[str, Any]()
    while not all(name in spans for name in names):
        assert time.monotonic() < deadline
        time.sleep(0.05)
        spans = {span.name: span for span in list(collector.spans) if span.trace_id.hex() == "ab" * 16}
    assert {spans[name].parent_span_id.hex() for name in names} == {"cd" * 8}
    embeddings, rerank = (attributes(spans[name]) for name in names)
    assert (embeddings["gen_ai.response.id"], rerank["gen_ai.response.id"]) == (first["id"], second["id"])
    assert embeddings["gen_ai.request.encoding_formats"] == ["base64"]
    assert rerank["gen_ai.usage.input_tokens"] == second["usage"]["prompt_tokens"]


def test_the_page_s_commands(encoders: RunningServer) -> None:
    """docs/embeddings.md, its models replaced by small ones."""
    _, embed, rank = re.findall(r"```sh\n(.*?)```", Path("docs/embeddings.md").read_text(), re.DOTALL)
    environment = {"URL": encoders.url, "KEY": encoders.key, "PATH": os.environ["PATH"]}
    answers = [
        json.loads(subprocess.run(["bash", "-euc", command], env=environment, capture_output=True, check=True).stdout)
        for command in (embed.replace("nomic-embed-text", "mean"), rank.replace("bge-reranker", "rank"))
    ]
    assert [len(entry["embedding"]) > 0 for entry in answers[0]["data"]] == [True, True]
    assert len(answers[1]["results"]) == 1
