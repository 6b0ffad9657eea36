"""Gemma 4: what its layers share, what its memory is, and which files contradict themselves."""

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from forefront.catalog.loaders.memory_estimate import estimate_memory
from forefront.catalog.sources.source import ModelSource
from forefront.engine.model.model import PagedModel
from forefront.graph.build import build_graph
from forefront.graph.errors import ModelFileError
from forefront.graph.gguf.gguf_file import GgufFile
from tests.graph.test_architectures import EXACT
from tests.support.models.loaded import build
from tests.support.models.random_decoder import CONTEXT, FAMILIES, write_decoder


@pytest.mark.parametrize("name", ["gemma4", "gemma4, per layer"])
def test_the_estimate_is_the_memory_of_the_kv_cache(name: str, tmp_path: Path) -> None:
    """Which layers that share keys and values have none of."""
    path = tmp_path / "model.gguf"
    write_decoder(path, FAMILIES[name])
    model = PagedModel(build(path, tmp_path / "cache").graph, CONTEXT, EXACT)
    source, options = ModelSource("model", path), replace(EXACT, kv_cache_bytes=2**40)
    longer, shorter = (estimate_memory(source, options, context).memory_bytes for context in (256, 128))
    assert longer - shorter == 128 // model.block_size * model.block_bytes


@pytest.mark.parametrize(
    ("key", "value", "reason"),
    [
        ("attention.shared_kv_layers", 6, "its layer 1 shares keys and values with an earlier layer, but none is"),
        ("attention.shared_kv_layers", 9, "its layer 0 shares keys and values with an earlier layer, but none is"),
        ("attention.head_count", [4, 4, 4, 4, 4, 4, 3], "its 3 heads cannot share 2 heads of keys and values"),
        ("attention.key_length_swa", 14, "heads with a window have 14 channels for keys and 12 for values"),
        ("rope.dimension_count_swa", 14, "positions rotate 14 of the 12 channels of a head with a window"),
        ("attention.sliding_window_pattern", [True, False], "unusable value .* gemma4.attention.sliding_window_patt"),
        ("attention.sliding_window", 0, "attn_q.weight' has the shape 80 x 48; its metadata implies 80 x 80"),
        ("embedding_length_per_layer_input", 20, "per_layer_token_embd.weight' has the shape 168 x 288"),
        ("embedding_length_per_layer_input", 0, "tensors that its architecture 'gemma4' does not use"),
        ("expert_count", 8, "it is a mixture of experts"),
    ],
)
def test_reasons_are_named(key: str, value: Any, reason: str, tmp_path: Path) -> None:
    path = tmp_path / "model.gguf"
    write_decoder(path, FAMILIES["gemma4, per layer"])
    file = GgufFile(path)
    file.metadata[f"gemma4.{key}"] = value
    with pytest.raises(ModelFileError, match=reason):
        build_graph(file, tmp_path, exact=True)
