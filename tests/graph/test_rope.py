"""A graph computes what its file says, to the last digits that float32 has: measured against NumPy."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from forefront.engine.model.model import ModelOptions, PagedModel
from forefront.engine.model.paged_graph import PagedGraph
from forefront.engine.model.step_inputs import SequenceInput
from forefront.graph.errors import ModelFileError
from forefront.graph.gguf.gguf_file import GgufFile
from forefront.graph.packing.pack import Rounding
from forefront.graph.packing.weight_file import WeightFile
from forefront.graph.packing.weights import Weights
from forefront.graph.rope import read_frequencies
from forefront.graph.settings import Settings
from tests.support.models.loaded import build
from tests.support.models.random_model import write_random_gguf
from tests.support.models.reference import Array, ReferenceModel

# Nothing is rounded that the reference does not round, so that only what was converted is compared.
EXACT = ModelOptions(contexts=1, kv_precision="f32", quantize_activations=False)
CONTEXT = 1024
PROMPT = np.random.default_rng(1).integers(3, 500, 700).tolist()
# As Llama 3.1 has them: fast pairs as they are, slow ones eight times slower, and some between.
FACTORS = [1.0] * 10 + [1.0 + 7 * step / 9 for step in range(10)] + [8.0] * 12


def read(path: Path) -> PagedGraph:
    return build(path, path.parent / "cache").graph


def written(folder: Path, **fields: Any) -> Path:
    path = folder / "model.gguf"
    write_random_gguf(path, context=CONTEXT, **fields)
    return path


def logprobs(graph: PagedGraph) -> Array:
    """[tokens, vocabulary] of the prompt, as the engine computes them in one pass."""
    model = PagedModel(graph, CONTEXT, EXACT)
    count = len(PROMPT)
    blocks = list(range(-(-count // model.block_size)))
    logits = model.run([SequenceInput(0, PROMPT, blocks)], list(range(count)), [1.0] * count)
    return np.asarray(logits.full - logits.log_sum[:, None], np.float32)


@pytest.mark.parametrize(
    "fields",
    [
        {"quant": "F16"},
        {"quant": "F16", "tied": True},
        {"quant": "F16", "rope_factors": FACTORS},
        {"quant": "Q8_0", "rope_factors": FACTORS},
        {"quant": "F16", "rope_scaling": ("linear", 4.0)},
        {"quant": "Q4_0", "rope_scaling": ("linear", 2.5)},
        {"quant": "Q8_0", "rope_factors": FACTORS, "rope_scaling": ("linear", 2.0)},
        {"quant": "Q8_0", "rope_scaling": ("none", 4.0)},
        {"quant": "F32"},
        {"quant": "Q8_0", "rotated": 32},
    ],
    ids=str,
)
def test_a_graph_matches_the_reference(fields: dict[str, Any], tmp_path: Path) -> None:
    path = written(tmp_path, **fields)
    difference = np.abs(logprobs(read(path)) - ReferenceModel(path).logprobs(PROMPT))
    assert difference.max() < 2e-3


def test_rope_scaling_by_one_of_any_kind_changes_nothing(tmp_path: Path) -> None:
    path = written(tmp_path, rope_scaling=("yarn", 1.0))
    (tmp_path / "plain").mkdir()
    plain = written(tmp_path / "plain")
    assert np.array_equal(logprobs(read(path)), logprobs(read(plain)))


def test_a_yarn_magnitude_in_the_file_replaces_the_default(tmp_path: Path) -> None:
    file = GgufFile(written(tmp_path, rope_scaling=("yarn", 4.0)))
    with WeightFile(tmp_path) as packed:
        weights = Weights(file, packed, Rounding(exact=True))
        usual = read_frequencies(Settings(file.metadata), weights, 64)
        file.metadata["llama.rope.scaling.yarn_attn_factor"] = 1.3
        other = read_frequencies(Settings(file.metadata), weights, 64)
    assert usual.magnitude == pytest.approx(1 + 0.1 * np.log(4))
    assert other.magnitude == pytest.approx(1.3)
    assert np.array_equal(usual.radians, other.radians)


@pytest.mark.parametrize(
    ("fields", "reason"),
    [
        ({"rope_scaling": ("linear", -2.0)}, r"rope\.scaling\.factor is -2"),
        ({"rope_scaling": ("linear", float("nan"))}, r"value nan for llama\.rope\.scaling\.factor"),
        ({"rope_factors": FACTORS[1:]}, r"rope_freqs\.weight' has the shape 31; its metadata implies 32"),
        ({"rope_factors": [0.0, *FACTORS[1:]]}, r"rope_freqs\.weight is not 32 positive factors"),
        ({"rotated": 66}, "rotate 66 of the 64 channels"),
    ],
    ids=str,
)
def test_positions_that_are_not_computed_are_one_clear_error(
    fields: dict[str, Any], reason: str, tmp_path: Path
) -> None:
    path = written(tmp_path, **fields)
    with pytest.raises(ModelFileError, match=reason) as error:
        read(path)
    assert "\n" not in str(error.value)
