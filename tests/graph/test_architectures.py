"""Every family computes what llama.cpp does, however its tokens are cut into passes."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pytest

from forefront.engine.model.model import ModelOptions, PagedModel, effective_options
from forefront.engine.model.step_inputs import SequenceInput
from forefront.graph.architectures import ARCHITECTURES
from forefront.graph.errors import ModelFileError
from tests.support.models.llama_cpp import LlamaCpp
from tests.support.models.loaded import build
from tests.support.models.random_decoder import CONTEXT, FAMILIES, LETTER, VOCABULARY, write_decoder
from tests.support.models.reference import Array

# Nothing is rounded that llama.cpp does not round.
EXACT = ModelOptions(contexts=1, kv_precision="f32", quantize_activations=False)
PROMPT = np.random.default_rng(2).integers(3, VOCABULARY, 90).tolist()
LONG = np.random.default_rng(4).integers(3, VOCABULARY, 500).tolist()
# In these, whose rotary positions, windows or norms differ most, hundreds of positions are compared.
LONG_NAMES = [
    "llama, YaRN",
    "gemma2",
    "gemma3",
    "gemma4",
    "gemma4, per layer",
    "phi3, long context",
    "olmo3",
    "cohere2",
    "starcoder2",
    "smollm3",
    "granite",
]
SLOW = {"exaone4, 32b", "command-r, plus"}  # 64 layers
NAMES = [pytest.param(name, marks=pytest.mark.slow if name in SLOW else ()) for name in FAMILIES]


def logprobs(model: PagedModel, past: int, tokens: list[int], blocks: list[int], *others: SequenceInput) -> Array:
    """Log-probabilities [tokens, vocabulary] of a pass in which `others` take part."""
    count = len(tokens)
    logits = model.run([SequenceInput(past, tokens, blocks), *others], list(range(count)), [1.0] * count)
    return np.asarray(logits.full - logits.log_sum[:, None], np.float32)


def whole(model: PagedModel, prompt: list[int] = PROMPT) -> Array:
    """Log-probabilities [tokens, vocabulary] of the prompt, in one pass."""
    return logprobs(model, 0, prompt, list(range(-(-len(prompt) // model.block_size))))


def cut(model: PagedModel) -> Array:
    """The same in passes of odd lengths, beside another sequence, in other blocks."""
    found, past = [], 0
    for size in (1, 33, 7, 2, 40, 7):
        found.append(logprobs(model, past, PROMPT[past : past + size], [7, 3, 5], SequenceInput(0, PROMPT[:5], [4])))
        past += size
    return np.concatenate(found)


def agrees(found: Array, wanted: npt.NDArray[np.float64]) -> bool:
    """Whether the most likely tokens are the same, but for ties closer than the rounding of llama.cpp's GELU."""
    best = wanted.argmax(-1)[:, None]
    ties = found.max(-1) - np.take_along_axis(found, best, -1)[:, 0]
    others = int((found.argmax(-1) != best[:, 0]).sum())
    return others <= max(1, len(found) // 200) and bool(ties.max() < 0.01)


@pytest.mark.parametrize("name", NAMES)
def test_a_family_matches_llama_cpp(name: str, tmp_path: Path) -> None:
    path = tmp_path / "model.gguf"
    write_decoder(path, FAMILIES[name])
    model = PagedModel(build(path, tmp_path / "cache").graph, CONTEXT, EXACT)
    found = whole(model)
    assert np.abs(cut(model) - found).max() < 1e-3
    # A second sequence reuses the first two blocks of `cut`, and a preempted one starts anew in blocks that were used.
    assert np.abs(logprobs(model, 64, PROMPT[64:], [7, 3, 6]) - found[64:]).max() < 1e-3
    assert np.abs(logprobs(model, 0, PROMPT[:70], [5, 4, 1]) - found[:70]).max() < 1e-3
    assert np.abs(logprobs(model, 70, PROMPT[70:71], [5, 4, 1]) - found[70]).max() < 1e-3
    other = LlamaCpp(path, VOCABULARY, LETTER)
    wanted = np.array([other.logprobs(PROMPT[: place + 1]) for place in range(len(PROMPT))])
    assert np.isfinite(wanted).all()
    assert np.abs(found - wanted).max() < 0.01
    assert agrees(found, wanted)


def test_stale_cache_memory_has_no_effect(tmp_path: Path) -> None:
    """Of Gemma 2, whose graph reads the cache by itself."""
    path = tmp_path / "model.gguf"
    write_decoder(path, FAMILIES["gemma2"])
    model = PagedModel(build(path, tmp_path / "cache").graph, CONTEXT, EXACT)
    wanted = whole(model)
    for tensor in model._cache._tensors:  # fresh memory can have such contents
        tensor.data[:] = np.nan
    assert np.array_equal(whole(model), wanted)


@pytest.mark.parametrize("kv_precision", ["f16", "u8"])
def test_a_cache_read_by_a_graph_is_not_quantised(kv_precision: str, tmp_path: Path) -> None:
    path = tmp_path / "model.gguf"
    write_decoder(path, FAMILIES["gemma2"])
    graph = build(path, tmp_path / "cache").graph
    wanted = whole(PagedModel(graph, CONTEXT, EXACT))
    options = replace(EXACT, kv_precision=kv_precision)
    assert effective_options(graph, options).kv_precision == "f16"  # as the receipt names it
    assert np.abs(whole(PagedModel(build(path, tmp_path / "cache").graph, CONTEXT, options)) - wanted).max() < 0.05


@pytest.mark.slow
@pytest.mark.parametrize("name", LONG_NAMES)
def test_a_family_matches_llama_cpp_at_1000_positions(name: str, tmp_path: Path) -> None:
    path = tmp_path / "model.gguf"
    for seed in (1, 2):
        write_decoder(path, FAMILIES[name], seed=seed)
        model = PagedModel(build(path, tmp_path / f"cache-{seed}").graph, CONTEXT, EXACT)
        found = whole(model, LONG)
        other = LlamaCpp(path, VOCABULARY, LETTER)
        wanted = np.array([other.logprobs(LONG[: place + 1]) for place in range(len(LONG))])
        assert np.abs(found - wanted).max() < 0.01
        assert agrees(found, wanted)


def test_every_architecture_is_tested() -> None:
    assert {family.architecture for family in FAMILIES.values()} == set(ARCHITECTURES)


def test_an_unused_tensor_is_refused(tmp_path: Path) -> None:
    """A norm that is left out would be a wrong answer."""
    path = tmp_path / "model.gguf"
    write_decoder(path, FAMILIES["gemma3"])
    path.write_bytes(path.read_bytes().replace(b"gemma3", b"exaone"))
    with pytest.raises(ModelFileError, match=r"14 tensors that its architecture 'exaone' does not use, .*post_"):
        build(path, tmp_path / "cache")
