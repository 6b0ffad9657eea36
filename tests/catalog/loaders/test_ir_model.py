"""Directories in OpenVINO's IR form, exported elsewhere."""

from pathlib import Path

import numpy as np
import pytest

from forefront.catalog.loaders.ir_model import load_ir, read_facts
from forefront.catalog.sources.source import SourceError
from forefront.chat.local.loading import LoadError, ModelParts, load_backend
from forefront.engine.model.model import ModelOptions, PagedModel
from forefront.engine.model.step_inputs import SequenceInput
from tests.tokenizer.test_directories import byte_pipeline, save


def test_facts_come_from_the_configuration(tiny_directory: Path, tmp_path: Path) -> None:
    for path in tiny_directory.iterdir():
        if path.suffix != ".json":
            (tmp_path / path.name).symlink_to(path)
    with pytest.raises(SourceError, match="context"):
        read_facts(tmp_path)
    (tmp_path / "config.json").write_text('{"max_position_embeddings": 512}')
    (tmp_path / "generation_config.json").write_text('{"eos_token_id": [2, 0]}')
    facts = read_facts(tmp_path)
    assert (facts.context_length, set(facts.end_tokens)) == (512, {0, 2})
    (tmp_path / "openvino_tokenizer.xml").unlink()
    with pytest.raises(SourceError, match=r"openvino_tokenizer\.xml is missing"):
        read_facts(tmp_path)


def test_a_directory_and_its_file_give_equal_results(tiny_directory: Path, tiny_parts: ModelParts) -> None:
    options = ModelOptions(contexts=1, kv_precision="f32", quantize_activations=False)
    prompt = list(range(3, 100))
    found = []
    for parts in (load_ir(tiny_directory), tiny_parts):
        assert isinstance(parts, ModelParts)
        logits = PagedModel(parts.graph, 2048, options).run(
            [SequenceInput(0, prompt, [0, 1, 2, 3])], [50, 96], [1.0, 2.0]
        )
        found.append((logits.full.copy(), logits.log_sum.copy()))
    for ir, gguf in zip(*found, strict=True):
        assert np.allclose(ir, gguf, atol=2e-3)


def test_a_tokenizer_with_more_tokens_than_the_model_is_refused(tiny_directory: Path, tmp_path: Path) -> None:
    for path in tiny_directory.iterdir():
        (tmp_path / path.name).symlink_to(path)
    save(tmp_path, byte_pipeline())
    parts = load_ir(tmp_path)
    assert isinstance(parts, ModelParts)
    with pytest.raises(LoadError, match="its vocabulary has 3000 tokens, but its matrix of embeddings only 512"):
        load_backend(parts, ModelOptions(contexts=1))
