"""A Hugging Face directory computes what the same weights in a GGUF file do."""

from pathlib import Path

import numpy as np
import pytest

from forefront.engine.model import PagedModel
from forefront.graph.build import build_graph
from forefront.graph.gguf_file import GgufFile
from forefront.graph.hf_families import FAMILIES as CLASSES
from forefront.graph.hf_model import HuggingFaceModel
from forefront.graph.model_file import ModelFile, Tensor
from tests.graph.test_architectures import EXACT, whole
from tests.support.hf_decoder import CHECKPOINTS, llama3_factors, write_checkpoint
from tests.support.random_decoder import CONTEXT, FAMILIES, write_decoder
from tests.support.reference import Array


def logits(file: ModelFile, cache: Path) -> Array:
    """Log-probabilities of the prompt, with exact activations."""
    cache.mkdir()
    return whole(PagedModel(build_graph(file, cache, exact=True).graph, CONTEXT, EXACT))


def read_gguf(path: Path, name: str) -> GgufFile:
    """The GGUF file, with the factors of positions that the checkpoint's configuration means."""
    file, scaling = GgufFile(path), CHECKPOINTS[name].config.get("rope_scaling", {})
    if (old := file.tensors.get("rope_freqs.weight")) is not None:
        factors = llama3_factors(scaling, 10000.0, 2 * old.shape[0])
        assert len(set(factors.tolist())) >= 3  # all three ranges
        file.tensors[old.name] = Tensor(old.name, old.shape, old.format, factors[None].view(np.uint8))
    return file


@pytest.mark.parametrize("name", CHECKPOINTS)
def test_a_checkpoint_computes_what_its_gguf_file_does(name: str, tmp_path: Path) -> None:
    path, checkpoint = tmp_path / "model.gguf", CHECKPOINTS[name]
    write_decoder(path, FAMILIES[checkpoint.family])
    file = read_gguf(path, name)
    write_checkpoint(tmp_path / "hf", checkpoint, file, shards=2 if name == "qwen3" else 1)
    wanted = logits(file, tmp_path / "wanted")
    found = logits(HuggingFaceModel(tmp_path / "hf"), tmp_path / "found")
    assert np.abs(found - wanted).max() < 2e-4
    assert (found.argmax(-1) == wanted.argmax(-1)).all()


def test_every_class_is_tested() -> None:
    assert {checkpoint.name for checkpoint in CHECKPOINTS.values()} == set(CLASSES)
