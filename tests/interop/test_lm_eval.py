"""The requests of lm-eval 0.4.13 (`local-completions`), and its reading of the answers, against a reference.

The package brings pandas, PyArrow and scikit-learn, so its client is not installed here: `PAYLOAD` is the body that it
sends for `loglikelihood`, `parse` what it makes of the answer.
"""

from operator import itemgetter
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from forefront.graph.gguf.gguf_file import GgufFile
from forefront.tokenizer.files.gguf import gguf_tokenizer
from tests.support.models.reference import ReferenceModel
from tests.support.server import RunningServer

MODEL = "forefront-mini"
FILE = Path(__file__).parents[2] / "src/forefront/catalog/builtin/forefront-mini.gguf"
PAYLOAD: dict[str, Any] = {
    "model": MODEL, "temperature": 0, "max_tokens": 1, "logprobs": 1, "seed": 1234, "echo": True,
}  # fmt: skip
TURN = "<|im_start|>user\nHello<|im_end|>\n<|im_start|>assistant\n"
# A task of four choices each: contexts, and continuations of which the last two end the turn.
TASK = [
    (TURN, ["Hello! What can I do for you?", "No", "Hello! What can I do for you?<|im_end|>", "No<|im_end|>\n"]),
    ("3 + 4 =", [" 7", " 8", " 7<|im_end|>", " é ☃ 漢"]),
]


def parse(choices: list[dict[str, Any]], context_lengths: list[int]) -> list[tuple[float, bool]]:
    """For each choice the log-likelihood of its continuation, and whether that is the greedy one."""
    results = []
    for choice, length in zip(sorted(choices, key=itemgetter("index")), context_lengths, strict=True):
        scores = choice["logprobs"]["token_logprobs"][length:-1]
        tops = choice["logprobs"]["top_logprobs"][length:-1]
        greedy = all(score == max(top.values()) for score, top in zip(scores, tops, strict=True))
        results.append((sum(scores), greedy))
    return results


@pytest.fixture(scope="module")
def requests() -> list[tuple[list[int], list[int]]]:
    """The tokens of each context and of each of its continuations."""
    tokenizer = gguf_tokenizer(GgufFile(FILE).metadata)
    return [
        (tokenizer.encode(context), tokenizer.encode(continuation))
        for context, continuations in TASK
        for continuation in continuations
    ]


@pytest.fixture(scope="module")
def expected(requests: list[tuple[list[int], list[int]]]) -> list[tuple[float, bool]]:
    """The same from the reference."""
    model = ReferenceModel(FILE)
    results = []
    for context, continuation in requests:
        rows = model.logprobs([*context, *continuation])[len(context) - 1 : -1]
        scores = rows[np.arange(len(continuation)), continuation]
        results.append((float(scores.sum()), bool((rows.argmax(axis=-1) == continuation).all())))
    return results


@pytest.mark.parametrize("batch_size", [1, 8])
def test_log_likelihoods_are_those_of_the_reference(
    server: RunningServer,
    requests: list[tuple[list[int], list[int]]],
    expected: list[tuple[float, bool]],
    batch_size: int,
) -> None:
    results: list[tuple[float, bool]] = []
    with server.client() as client:
        for begin in range(0, len(requests), batch_size):
            batch = requests[begin : begin + batch_size]
            prompts = [context + continuation for context, continuation in batch]
            answer = client.post("/v1/completions", json=PAYLOAD | {"prompt": prompts})
            assert answer.status_code == 200, answer.text
            results += parse(answer.json()["choices"], [len(context) for context, _ in batch])
    assert [greedy for _, greedy in results] == [greedy for _, greedy in expected]
    assert any(greedy for _, greedy in results)
    assert [score for score, _ in results] == pytest.approx([score for score, _ in expected], abs=0.2, rel=0.02)


def test_log_probabilities_are_of_every_token_that_is_counted(server: RunningServer) -> None:
    fields = {"model": MODEL, "prompt": TURN, "temperature": 0, "max_tokens": 40, "logprobs": 1}
    with server.client() as client:
        whole = client.post("/v1/completions", json=fields).json()
    [choice] = whole["choices"]
    assert choice["finish_reason"] == "stop"
    scored = choice["logprobs"]
    assert {len(entries) for entries in scored.values()} == {whole["usage"]["completion_tokens"]}
    assert scored["tokens"][-1] == "<|im_end|>"
    assert "".join(scored["tokens"][:-1]) == choice["text"]
    assert scored["text_offset"][-1] == len(choice["text"])
    assert scored["token_logprobs"][-1] == scored["top_logprobs"][-1]["<|im_end|>"] <= 0
