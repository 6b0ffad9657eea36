"""Every family computes what llama.cpp does, however its tokens are cut into passes."""

from pathlib import Path

import numpy as np
import pytest

from forefront.engine.model import ModelOptions, PagedModel, Run
from forefront.graph.architectures import ARCHITECTURES
from forefront.graph.errors import ModelFileError
from tests.support.llama_cpp import LlamaCpp
from tests.support.loaded import build
from tests.support.random_decoder import CONTEXT, FAMILIES, LETTER, VOCABULARY, write_decoder
from tests.support.reference import Array

# Nothing is rounded that llama.cpp does not round.
EXACT = ModelOptions(contexts=1, kv_precision="f32", quantize_activations=False)
PROMPT = np.random.default_rng(2).integers(3, VOCABULARY, 90).tolist()
# Positions that are compared: within and beyond windows, at the borders of KV blocks.
PLACES = [0, 1, 5, 22, 23, 24, 31, 32, 33, 50, 64, 89]
SLOW = {"exaone4, 32b"}  # 64 layers
NAMES = [pytest.param(name, marks=pytest.mark.slow if name in SLOW else ()) for name in FAMILIES]


def whole(model: PagedModel) -> Array:
    """Log-probabilities [tokens, vocabulary] of the prompt, in one pass."""
    count = len(PROMPT)
    logits = model.run([Run(0, PROMPT, [0, 1, 2])], list(range(count)), [1.0] * count)
    return np.asarray(logits.full - logits.log_sum[:, None], np.float32)


def cut(model: PagedModel) -> Array:
    """The same in passes of odd lengths, beside another sequence, in other blocks."""
    found, past = [], 0
    for size in (1, 33, 7, 2, 40, 7):
        runs = [Run(past, PROMPT[past : past + size], [7, 3, 5]), Run(0, PROMPT[:5], [4])]
        logits = model.run(runs, list(range(size)), [1.0] * size)
        found.append(logits.full - logits.log_sum[:, None])
        past += size
    return np.concatenate(found)


@pytest.mark.parametrize("name", NAMES)
def test_a_family_computes_what_llama_cpp_does(name: str, tmp_path: Path) -> None:
    path = tmp_path / "model.gguf"
    write_decoder(path, FAMILIES[name])
    model = PagedModel(build(path, tmp_path / "cache").graph, CONTEXT, EXACT)
    found = whole(model)
    assert np.abs(cut(model) - found).max() < 1e-3
    other = LlamaCpp(path, VOCABULARY, LETTER)
    wanted = np.array([other.logprobs(PROMPT[: place + 1]) for place in PLACES])
    assert np.isfinite(wanted).all()
    assert np.abs(found[PLACES] - wanted).max() < 0.01
    assert (found[PLACES].argmax(-1) == wanted.argmax(-1)).all()


def test_every_architecture_is_tested() -> None:
    assert {family.architecture for family in FAMILIES.values()} == set(ARCHITECTURES)


def test_a_tensor_without_a_use_is_refused(tmp_path: Path) -> None:
    """A norm that is left out would be a wrong answer."""
    path = tmp_path / "model.gguf"
    write_decoder(path, FAMILIES["gemma3"])
    path.write_bytes(path.read_bytes().replace(b"gemma3", b"exaone"))
    with pytest.raises(ModelFileError, match=r"14 tensors that its architecture 'exaone' has no use for, .*post_"):
        build(path, tmp_path / "cache")
