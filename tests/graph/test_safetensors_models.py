"""A Hugging Face directory computes what the same weights in a GGUF file do."""

import json
from dataclasses import replace
from pathlib import Path

import gguf
import numpy as np
import pytest

from forefront.engine.model.model import PagedModel
from forefront.graph.block_formats import FORMATS
from forefront.graph.build import build_graph
from forefront.graph.gguf.gguf_file import GgufFile
from forefront.graph.hugging_face.families import FAMILIES as CLASSES
from forefront.graph.hugging_face.model import HuggingFaceModel
from forefront.graph.model_file import ModelFile, Tensor
from tests.graph.test_architectures import EXACT, SLOW, whole
from tests.support.models.hf_decoder import CHECKPOINTS, llama3_factors, write_checkpoint, write_shards
from tests.support.models.random_decoder import ALIGNED, CONTEXT, FAMILIES, write_decoder
from tests.support.models.reference import Array


def logits(file: ModelFile, cache: Path) -> Array:
    """Log-probabilities of the prompt, with exact activations."""
    cache.mkdir()
    return whole(PagedModel(build_graph(file, cache, exact=True).graph, CONTEXT, EXACT))


def read_gguf(path: Path, name: str) -> GgufFile:
    """The GGUF file, with the factors of positions that the checkpoint's configuration means."""
    file, scaling = GgufFile(path), CHECKPOINTS[name].config.get("rope_scaling", {})
    old = file.tensors.get("rope_freqs.weight")
    if old is not None and name.startswith("gemma4"):  # a quarter of the pairs turns
        factors = np.array([1.0] * (old.shape[0] // 4) + [1e30] * (old.shape[0] - old.shape[0] // 4), np.float32)
        file.tensors[old.name] = Tensor(old.name, old.shape, old.format, factors[None].view(np.uint8))
    elif old is not None:
        factors = llama3_factors(scaling, 10000.0, 2 * old.shape[0])
        assert len(set(factors.tolist())) >= 3  # all three ranges
        file.tensors[old.name] = Tensor(old.name, old.shape, old.format, factors[None].view(np.uint8))
    return file


NAMES = [pytest.param(name, marks=pytest.mark.slow if name in SLOW else ()) for name in CHECKPOINTS]


@pytest.mark.parametrize("name", NAMES)
def test_a_checkpoint_and_its_gguf_file_give_equal_output(name: str, tmp_path: Path) -> None:
    path, checkpoint = tmp_path / "model.gguf", CHECKPOINTS[name]
    write_decoder(path, FAMILIES[checkpoint.family])
    file = read_gguf(path, name)
    write_checkpoint(tmp_path / "hf", checkpoint, file, shards=2 if name == "qwen3" else 1)
    wanted = logits(file, tmp_path / "wanted")
    found = logits(HuggingFaceModel(tmp_path / "hf"), tmp_path / "found")
    assert np.abs(found - wanted).max() < 2e-4
    assert (found.argmax(-1) == wanted.argmax(-1)).all()


@pytest.mark.parametrize("kind", ["BF16", "F16"])
def test_sixteen_bit_numbers_compute_as_in_gguf(kind: str, tmp_path: Path) -> None:
    write_decoder(tmp_path / "model.gguf", FAMILIES["qwen2"], shape=ALIGNED, quant=kind)
    file = GgufFile(tmp_path / "model.gguf")
    write_checkpoint(tmp_path / "hf", CHECKPOINTS["qwen2"], file, shape=ALIGNED)
    wanted = logits(file, tmp_path / "wanted")
    assert np.abs(logits(HuggingFaceModel(tmp_path / "hf"), tmp_path / "found") - wanted).max() < 2e-4
    # Numbers that do not lie at multiples of their size, and computation in bfloat16.
    path = tmp_path / "hf" / "model.safetensors"
    length = int.from_bytes(path.read_bytes()[:8], "little")
    content = path.read_bytes()
    path.write_bytes((length + 1).to_bytes(8, "little") + content[8 : 8 + length] + b" " + content[8 + length :])
    (tmp_path / "odd").mkdir()
    graph = build_graph(HuggingFaceModel(tmp_path / "hf"), tmp_path / "odd", exact=True, precision="bf16").graph
    coarse = whole(PagedModel(graph, CONTEXT, replace(EXACT, inference_precision="bf16", kv_precision="bf16")))
    assert np.sqrt(np.mean((coarse - wanted) ** 2)) < 0.35


def quantised(file: GgufFile, kind: str) -> GgufFile:
    """The same file with its matrices quantised by the gguf package; the output keeps eight bits."""
    number = {found.name: number for number, found in FORMATS.items()}
    for name, tensor in list(file.tensors.items()):
        if tensor.format.name == "BF16" and name != "token_embd.weight":
            new = number["Q8_0" if name == "output.weight" else kind]
            data = gguf.quants.quantize(tensor.floats(), gguf.GGMLQuantizationType(new))
            file.tensors[name] = Tensor(name, tensor.shape, FORMATS[new], data)
    return file


@pytest.mark.parametrize(("kind", "other"), [("int8", "Q8_0"), ("int4", "Q4_0")])
def test_quantisation_at_load_loses_no_more_than_a_gguf_format(kind: str, other: str, tmp_path: Path) -> None:
    write_decoder(tmp_path / "model.gguf", FAMILIES["llama"], shape=ALIGNED, quant="BF16")
    file = GgufFile(tmp_path / "model.gguf")
    write_checkpoint(tmp_path / "hf", CHECKPOINTS["llama"], file, shape=ALIGNED)
    wanted = logits(file, tmp_path / "wanted")
    limit = np.sqrt(np.mean((logits(quantised(file, other), tmp_path / "other") - wanted) ** 2))
    (tmp_path / "found").mkdir()
    built = build_graph(HuggingFaceModel(tmp_path / "hf"), tmp_path / "found", exact=True, quantize=kind)
    found = whole(PagedModel(built.graph, CONTEXT, EXACT))
    loss, agreement = np.sqrt(np.mean((found - wanted) ** 2)), (found.argmax(-1) == wanted.argmax(-1)).mean()
    print(f"{kind}: root mean square {loss:.3f}, likeliest token agrees {agreement:.3f}; {other}: {limit:.3f}")
    assert 0 < loss < 1.1 * limit
    others = "BF16 rounded to 4 bits, " if kind == "int4" else ""
    assert built.precision == f"weights as stored, {others}BF16 rounded to 8 bits"


def test_a_dense_hybrid_granite_matches_a_granite(tmp_path: Path) -> None:
    write_decoder(tmp_path / "model.gguf", FAMILIES["granite"])
    write_checkpoint(tmp_path / "hf", CHECKPOINTS["granite"], GgufFile(tmp_path / "model.gguf"))
    plain = HuggingFaceModel(tmp_path / "hf")
    wanted = logits(plain, tmp_path / "wanted")
    tensors = {tensor.name: tensor.floats() for tensor in plain.tensors.values()}
    for name in [name for name in tensors if name.endswith("gate_proj.weight")]:
        layer = name.removesuffix("mlp.gate_proj.weight")
        both = [tensors.pop(name), tensors.pop(f"{layer}mlp.up_proj.weight")]
        tensors[f"{layer}shared_mlp.input_linear.weight"] = np.concatenate(both)
        tensors[f"{layer}shared_mlp.output_linear.weight"] = tensors.pop(f"{layer}mlp.down_proj.weight")
    write_shards(tmp_path / "hf", {name: ("F32", values) for name, values in tensors.items()})
    config = json.loads((tmp_path / "hf" / "config.json").read_text())
    config |= {"architectures": ["GraniteMoeHybridForCausalLM"], "position_embedding_type": "rope"}
    config |= {"shared_intermediate_size": config["intermediate_size"], "intermediate_size": 7, "num_local_experts": 0}
    (tmp_path / "hf" / "config.json").write_text(json.dumps(config))
    assert np.abs(logits(HuggingFaceModel(tmp_path / "hf"), tmp_path / "found") - wanted).max() < 2e-4


def test_every_class_is_tested() -> None:
    tested = {checkpoint.name for checkpoint in CHECKPOINTS.values()}
    assert tested | {"GraniteMoeHybridForCausalLM"} == set(CLASSES)
