"""A real file, SmolLM2-135M-Instruct in Q4_1, on a text of this project's: as exact as `docs/models.md` says."""

from pathlib import Path

import numpy as np
import numpy.typing as npt
import pytest

from forefront.engine.model.model import ModelOptions, PagedModel
from forefront.engine.model.step_inputs import SequenceInput
from tests.support.models.llama_cpp import LlamaCpp
from tests.support.models.loaded import build
from tests.support.models.reference import Array, ReferenceModel
from tests.support.models.smollm2 import smollm2_file

pytestmark = [pytest.mark.slow, pytest.mark.timeout(300)]
# A fixed text: the beginning of a README.md.
PASSAGE = Path(__file__).with_name("passage.md").read_text()
COUNT = 512
VOCABULARY = 49152


@pytest.fixture(scope="module")
def llama_cpp() -> LlamaCpp:
    return LlamaCpp(smollm2_file(), VOCABULARY, plain=64, context=1024)


@pytest.fixture(scope="module")
def tokens(llama_cpp: LlamaCpp) -> list[int]:
    found = llama_cpp.tokenize(PASSAGE)
    assert len(found) > COUNT
    return found[: COUNT + 1]


@pytest.fixture(scope="module")
def reference(tokens: list[int]) -> Array:
    return ReferenceModel(smollm2_file()).logits(tokens[:-1])


def logits(tokens: list[int], cache: Path, options: ModelOptions) -> Array:
    """[tokens - 1, vocabulary]: what follows each token but the last."""
    model = PagedModel(build(smollm2_file(), cache, exact=not options.quantize_activations).graph, 1024, options)
    count = len(tokens) - 1
    blocks = list(range(-(-count // model.block_size)))
    return np.array(
        model.run([SequenceInput(0, tokens[:-1], blocks)], list(range(count)), [1.0] * count).full, np.float32
    )


def next_logprobs(found: Array, tokens: list[int]) -> npt.NDArray[np.float64]:
    """[tokens - 1]: natural logarithms of the probabilities of the tokens that follow."""
    wide = found.astype(np.float64)
    peaks = wide.max(-1)
    sums = peaks + np.log(np.exp(wide - peaks[:, None]).sum(-1))
    result: npt.NDArray[np.float64] = wide[np.arange(len(wide)), tokens[1:]] - sums
    return result


def perplexity(logprobs: npt.NDArray[np.float64]) -> float:
    return float(np.exp(-logprobs.mean()))


def agreement(found: Array, wanted: Array) -> float:
    """How often the most likely token is the same."""
    return float((found.argmax(-1) == wanted.argmax(-1)).mean())


def test_exact_activations_match_numpy(tokens: list[int], reference: Array, tmp_path: Path) -> None:
    found = logits(tokens, tmp_path, ModelOptions(contexts=1, quantize_activations=False))
    assert np.abs(found - reference).max() < 0.1  # of the keys and values, kept as f16
    assert agreement(found, reference) >= 0.99


def test_the_served_precision_is_close_to_numpy_and_llama_cpp(
    tokens: list[int], reference: Array, llama_cpp: LlamaCpp, tmp_path: Path
) -> None:
    found = logits(tokens, tmp_path, ModelOptions(contexts=1))
    ours, exact = next_logprobs(found, tokens), next_logprobs(reference, tokens)
    assert agreement(found, reference) >= 0.96
    assert perplexity(ours) == pytest.approx(perplexity(exact), rel=0.01)
    places = np.arange(0, COUNT, 2)
    other = [llama_cpp.next_logprob(tokens[: place + 1], tokens[place + 1]) for place in places]
    theirs = np.array([logprob for logprob, _ in other])
    agreed = float((found[places].argmax(-1) == [token for _, token in other]).mean())
    print(
        f"perplexity {perplexity(ours):.3f}, NumPy {perplexity(exact):.3f}, "
        f"agreement {agreement(found, reference):.3f}; every other place: "
        f"{perplexity(ours[places]):.3f}, llama.cpp {perplexity(theirs):.3f}, agreement {agreed:.3f}"
    )
    assert agreed >= 0.95  # both round
    assert perplexity(ours[places]) == pytest.approx(perplexity(theirs), rel=0.01)
