"""A converted file computes what the file says, to the last digits that float32 has: measured against NumPy."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from forefront.catalog.source import ModelSource, SourceError
from forefront.catalog.store import Store
from forefront.engine.model import ModelOptions, PagedModel, Run
from tests.support.random_model import write_random_gguf
from tests.support.reference import Array, ReferenceModel

# Nothing is rounded that the reference does not round, so that only what was converted is compared.
EXACT = ModelOptions(contexts=1, kv_precision="f32", quantize_activations=False)
CONTEXT = 1024
PROMPT = np.random.default_rng(1).integers(3, 500, 700).tolist()
# As Llama 3.1 has them: fast pairs as they are, slow ones eight times slower, and some between.
FACTORS = [1.0] * 10 + [1.0 + 7 * step / 9 for step in range(10)] + [8.0] * 12


def convert(path: Path) -> Path:
    return Store(path.parent / "home").convert(ModelSource(path.stem, path))


def written(folder: Path, **fields: Any) -> Path:
    path = folder / "model.gguf"
    write_random_gguf(path, context=CONTEXT, **fields)
    return path


def logprobs(directory: Path) -> Array:
    """[tokens, vocabulary] of the prompt, as the engine computes them in one pass."""
    model = PagedModel(directory / "openvino_model.xml", CONTEXT, EXACT)
    count = len(PROMPT)
    blocks = list(range(-(-count // model.block_size)))
    logits = model.run([Run(0, PROMPT, blocks)], list(range(count)), [1.0] * count)
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
    ],
    ids=str,
)
def test_a_converted_file_computes_what_the_reference_does(fields: dict[str, Any], tmp_path: Path) -> None:
    path = written(tmp_path, **fields)
    difference = np.abs(logprobs(convert(path)) - ReferenceModel(path).logprobs(PROMPT))
    assert difference.max() < 2e-3


def test_a_scaling_by_one_changes_nothing_whatever_its_kind(tmp_path: Path) -> None:
    path = written(tmp_path, rope_scaling=("yarn", 1.0))
    (tmp_path / "plain").mkdir()
    plain = written(tmp_path / "plain")
    assert np.array_equal(logprobs(convert(path)), logprobs(convert(plain)))


@pytest.mark.parametrize(
    ("fields", "reason"),
    [
        ({"rope_scaling": ("yarn", 4.0)}, r"positions are scaled by 'yarn' \(factor 4\)"),
        ({"rope_scaling": ("longrope", 1.0)}, "positions are scaled by 'longrope'"),
        ({"rope_scaling": ("linear", -2.0)}, r"rope\.scaling\.factor is -2"),
        ({"rope_scaling": ("linear", float("nan"))}, r"rope\.scaling\.factor is nan"),
        ({"rope_factors": FACTORS[1:]}, r"rope_freqs\.weight is not 32 positive factors"),
        ({"rope_factors": [0.0, *FACTORS[1:]]}, r"rope_freqs\.weight is not 32 positive factors"),
        ({"rotated": 32}, "turn 32 of 64 channels"),
    ],
    ids=str,
)
def test_positions_that_are_not_computed_are_one_clear_error(
    fields: dict[str, Any], reason: str, tmp_path: Path
) -> None:
    path = written(tmp_path, **fields)
    with pytest.raises(SourceError, match=reason) as error:
        convert(path)
    assert str(path) in str(error.value)
    assert "\n" not in str(error.value)
    assert list((tmp_path / "home" / "models").iterdir()) == []
