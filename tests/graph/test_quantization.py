"""Every format of GGUF's computes what its values are, or is as far from them as `docs/models.md` says."""

from pathlib import Path

import numpy as np
import pytest

from forefront.engine.model.model import ModelOptions, PagedModel
from forefront.engine.model.step_inputs import SequenceInput
from tests.support.models.loaded import build
from tests.support.models.random_decoder import ALIGNED, CONTEXT, FAMILIES, VOCABULARY, write_decoder
from tests.support.models.reference import Array, ReferenceModel

FORMATS = [
    *("F32", "F16", "BF16", "Q8_0", "Q4_0", "Q4_1", "Q5_0", "Q5_1"),
    *("Q2_K", "Q3_K", "Q4_K", "Q5_K", "Q6_K", "IQ4_NL", "IQ4_XS", "MXFP4", "Q4_K_M"),
]
ROUNDED = {"Q2_K", "Q3_K", "Q6_K", "Q4_K_M"}
PROMPT = np.random.default_rng(3).integers(3, VOCABULARY, 200).tolist()


def logits(path: Path, *, exact: bool) -> tuple[Array, str]:
    """[tokens, vocabulary] of the prompt, and how exactly the weights are computed with."""
    built = build(path, path.parent / f"cache-{exact}", exact=exact)
    options = ModelOptions(contexts=1, kv_precision="f32", quantize_activations=not exact)
    count = len(PROMPT)
    model = PagedModel(built.graph, CONTEXT, options)
    found = model.run([SequenceInput(0, PROMPT, list(range(7)))], list(range(count)), [1.0] * count)
    return np.array(found.full, np.float32), built.precision


@pytest.mark.parametrize("kind", FORMATS)
def test_a_format_is_computed_exactly(kind: str, tmp_path: Path) -> None:
    path = tmp_path / "model.gguf"
    write_decoder(path, FAMILIES["llama"], shape=ALIGNED, quant=kind)
    wanted = ReferenceModel(path).logits(PROMPT)
    found, precision = logits(path, exact=True)
    assert precision == "weights as stored"
    assert np.abs(found - wanted).max() < 0.01
    assert (found.argmax(-1) == wanted.argmax(-1)).all()
    # As it is served: 8-bit activations, and groups of 16 rounded anew.
    served, precision = logits(path, exact=False)
    assert ("rounded to 8 bits" in precision) == (kind in ROUNDED)
    assert np.sqrt(np.mean((served - wanted) ** 2)) < 0.35
    assert (served.argmax(-1) == wanted.argmax(-1)).mean() > 0.9
