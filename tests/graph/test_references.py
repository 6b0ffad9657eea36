"""Families compute what their definitions in NumPy do, exactly."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from forefront.engine.model.model import PagedModel
from tests.graph.test_architectures import EXACT, LONG, whole
from tests.support.models.decoder_reference import KINDS, DecoderReference
from tests.support.models.gemma4_reference import Gemma4Reference
from tests.support.models.loaded import build
from tests.support.models.random_decoder import CONTEXT, FAMILIES, Family, write_decoder

# What llama.cpp refuses or ignores.
VARIANTS = {
    name: replace(FAMILIES[family], fields=FAMILIES[family].fields | fields)
    for name, family, fields in (
        ("phi3, part of a head turns", "phi3", {"rope.dimension_count": 14}),
        ("phi3, window", "phi3", {"attention.sliding_window": 24}),
        ("llama, part of a head turns", "llama", {"rope.dimension_count": 6}),
    )
}
REFERENCES: dict[str, type[DecoderReference | Gemma4Reference]] = {
    **dict.fromkeys(KINDS, DecoderReference),
    "gemma4": Gemma4Reference,
}
TESTED: dict[str, Family] = {
    name: family for name, family in (FAMILIES | VARIANTS).items() if family.architecture in REFERENCES
}
# Of models with a position factor of each pair, llama.cpp alone is the measure.
TESTED.pop("llama, factors of positions")


@pytest.mark.parametrize("name", TESTED)
def test_a_family_matches_numpy(name: str, tmp_path: Path) -> None:
    path = tmp_path / "model.gguf"
    write_decoder(path, TESTED[name], seed=5)
    found = whole(PagedModel(build(path, tmp_path / "cache").graph, CONTEXT, EXACT), LONG)
    wanted = REFERENCES[TESTED[name].architecture](path).logits(LONG)
    shifted = wanted - wanted.max(-1, keepdims=True)
    wanted = shifted - np.log(np.exp(shifted).sum(-1, keepdims=True))
    assert np.abs(found - wanted).max() < 0.005
    # A rival within the rounding of float32 may win.
    assert (found.argmax(-1) == wanted.argmax(-1)).mean() >= 0.995
