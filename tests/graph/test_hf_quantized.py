"""Quantised checkpoints of every method compute what their codes stand for."""

import json
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from forefront.engine.model.model import PagedModel
from forefront.graph.build import build_graph
from forefront.graph.errors import ModelFileError
from forefront.graph.gguf.gguf_file import GgufFile
from forefront.graph.hugging_face.model import HuggingFaceModel
from tests.graph.test_architectures import EXACT, whole
from tests.support.models.hf_decoder import CHECKPOINTS, write_checkpoint, write_shards
from tests.support.models.hf_quantized import QUANTIZATIONS, Parts, Quantization
from tests.support.models.hf_rounded import ROUNDED, bits_and_bytes_integers
from tests.support.models.random_decoder import ALIGNED, CONTEXT, FAMILIES, write_decoder
from tests.support.models.reference import Array


def write_quantized(directory: Path, name: str, quantization: Quantization) -> dict[str, tuple[str, Array]]:
    """A checkpoint of that name with its layers' matrices quantised. The same tensors with the values that the codes
    stand for."""
    checkpoint = CHECKPOINTS[name]
    path = directory.with_suffix(".gguf")
    write_decoder(path, FAMILIES[checkpoint.family], shape=ALIGNED)
    write_checkpoint(directory, checkpoint, GgufFile(path), shape=ALIGNED)
    plain = HuggingFaceModel(directory)
    stored = read(directory)
    rng = np.random.default_rng(0)
    written: dict[str, tuple[str, Array]] = {}
    wanted: dict[str, tuple[str, Array]] = {}
    for tensor, (kind, values) in stored.items():
        if values.ndim == 2 and (quantization.everywhere or ".layers." in tensor):
            parts, values = quantization.make(values, rng)
            module = tensor.removesuffix(".weight")
            written |= {f"{module}.{part}": found for part, found in parts.items()}
        else:
            written[tensor] = (kind, values)
        wanted[tensor] = (kind, values)
    assert len(written) > len(wanted) > len(plain.tensors) - 2
    write_shards(directory, written)
    set_config(directory, quantization.config)
    return wanted


def read(directory: Path) -> dict[str, tuple[str, Array]]:
    """The tensors of a checkpoint in float32."""
    content = (directory / "model.safetensors").read_bytes()
    start = 8 + int.from_bytes(content[:8], "little")
    header = json.loads(content[8:start])
    return {
        name: ("F32", np.frombuffer(content[start:][slice(*entry["data_offsets"])], "<f4").reshape(entry["shape"]))
        for name, entry in header.items()
        if name != "__metadata__"
    }


def set_config(directory: Path, config: dict[str, Any] | None) -> None:
    """Write the part of the configuration that is about quantisation."""
    path = directory / "config.json"
    path.write_text(json.dumps(json.loads(path.read_text()) | {"quantization_config": config}))


def logits(directory: Path, cache: Path, *, exact: bool = True) -> Array:
    """Log-probabilities of the prompt."""
    cache.mkdir()
    graph = build_graph(HuggingFaceModel(directory), cache, exact=exact).graph
    return whole(PagedModel(graph, CONTEXT, replace(EXACT, quantize_activations=not exact)))


@pytest.mark.parametrize("name", QUANTIZATIONS)
def test_packed_codes_compute_the_original_values(name: str, tmp_path: Path) -> None:
    checkpoint = {"AWQ": "phi3", "GPTQ, asymmetric": "qwen2", "MLX": "llama, tied"}.get(name, "llama")
    wanted = write_quantized(tmp_path / "hf", checkpoint, QUANTIZATIONS[name])
    found = logits(tmp_path / "hf", tmp_path / "found")
    served = logits(tmp_path / "hf", tmp_path / "served", exact=False)
    write_shards(tmp_path / "hf", wanted)
    set_config(tmp_path / "hf", None)
    plain = logits(tmp_path / "hf", tmp_path / "plain")
    assert np.abs(found - plain).max() < 2e-3
    assert (found.argmax(-1) == plain.argmax(-1)).all()
    assert np.sqrt(np.mean((served - plain) ** 2)) < 0.35


@pytest.mark.parametrize("name", ROUNDED)
def test_codes_without_a_kernel_are_rounded_to_eight_bits(name: str, tmp_path: Path) -> None:
    wanted = write_quantized(tmp_path / "hf", "llama", ROUNDED[name])
    (tmp_path / "served").mkdir()
    built = build_graph(HuggingFaceModel(tmp_path / "hf"), tmp_path / "served", exact=False)
    served = whole(PagedModel(built.graph, CONTEXT, EXACT))
    (tmp_path / "again").mkdir()
    again = build_graph(HuggingFaceModel(tmp_path / "hf"), tmp_path / "again", exact=False, quantize="int4")
    # `--quantize` leaves them as they are: with 4 bits the difference is above 1.
    assert np.sqrt(np.mean((whole(PagedModel(again.graph, CONTEXT, EXACT)) - served) ** 2)) < 0.1
    found = logits(tmp_path / "hf", tmp_path / "found")
    write_shards(tmp_path / "hf", wanted)
    set_config(tmp_path / "hf", None)
    plain = logits(tmp_path / "hf", tmp_path / "plain")
    assert np.abs(found - plain).max() < 2e-4
    assert built.precision.startswith("weights as stored, ")
    assert built.precision.endswith(" rounded to 8 bits")
    loss = np.sqrt(np.mean((served - plain) ** 2))
    print(f"{name}: {built.precision}, root mean square {loss:.3f}")
    assert 0 < loss < 0.2


def test_settings_in_the_file_of_model_optimizer(tmp_path: Path) -> None:
    write_quantized(tmp_path / "hf", "llama", ROUNDED["Model Optimizer"])
    wanted = HuggingFaceModel(tmp_path / "hf").tensors["blk.0.ffn_up.weight"].floats()
    settings = {"producer": {"name": "modelopt"}, "quantization": {"quant_algo": "FP8", "kv_cache_quant_algo": "FP8"}}
    (tmp_path / "hf" / "hf_quant_config.json").write_text(json.dumps(settings))
    set_config(tmp_path / "hf", None)
    found = HuggingFaceModel(tmp_path / "hf")
    assert np.array_equal(found.tensors["blk.0.ffn_up.weight"].floats(), wanted)
    assert tmp_path / "hf" / "hf_quant_config.json" in found.paths


def test_settings_under_their_first_name(tmp_path: Path) -> None:
    """As the first version of compressed-tensors wrote them."""
    write_quantized(tmp_path / "hf", "llama", ROUNDED["compressed-tensors, FP8"])
    wanted = HuggingFaceModel(tmp_path / "hf").tensors["blk.0.ffn_up.weight"].floats()
    path = tmp_path / "hf" / "config.json"
    content = json.loads(path.read_text())
    path.write_text(json.dumps(content | {"compression_config": content.pop("quantization_config")}))
    assert np.array_equal(HuggingFaceModel(tmp_path / "hf").tensors["blk.0.ffn_up.weight"].floats(), wanted)


def test_integers_of_bitsandbytes_compute_the_original_values(tmp_path: Path) -> None:
    wanted = write_quantized(tmp_path / "hf", "qwen2", bits_and_bytes_integers())
    found = logits(tmp_path / "hf", tmp_path / "found")
    write_shards(tmp_path / "hf", wanted)
    set_config(tmp_path / "hf", None)
    assert np.abs(found - logits(tmp_path / "hf", tmp_path / "plain")).max() < 2e-3


def test_settings_in_a_file_of_their_own(tmp_path: Path) -> None:
    """As early programs for GPTQ wrote them."""
    write_quantized(tmp_path / "hf", "llama", QUANTIZATIONS["GPTQ, asymmetric, activation order"])
    wanted = logits(tmp_path / "hf", tmp_path / "wanted")
    settings = {"bits": 4, "group_size": 32, "desc_act": True, "sym": False}
    (tmp_path / "hf" / "quantize_config.json").write_text(json.dumps(settings))
    set_config(tmp_path / "hf", None)
    assert tmp_path / "hf" / "quantize_config.json" in HuggingFaceModel(tmp_path / "hf").paths
    assert np.array_equal(logits(tmp_path / "hf", tmp_path / "found"), wanted)


@pytest.mark.parametrize("layout", ["GPTQ", "AWQ"])
def test_auto_round_has_the_layout_of_another_method(layout: str, tmp_path: Path) -> None:
    write_quantized(tmp_path / "hf", "llama", QUANTIZATIONS[layout])
    wanted = HuggingFaceModel(tmp_path / "hf").tensors["blk.0.ffn_up.weight"].floats()
    settings = {"bits": 4, "group_size": 32, "sym": layout == "GPTQ", "autoround_version": "0.5.1"}
    settings |= {"quant_method": "auto-round", "packing_format": f"auto_round:auto_{layout.lower()}"}
    set_config(tmp_path / "hf", settings)
    assert np.array_equal(HuggingFaceModel(tmp_path / "hf").tensors["blk.0.ffn_up.weight"].floats(), wanted)


@pytest.mark.parametrize(
    ("config", "sentence"),
    [
        ({"quant_method": "torchao"}, "quantised by 'torchao', which is not supported"),
        ({"quant_method": "fp8"}, "no matrix of floating-point numbers with eight bits"),
        ({"quant_method": "modelopt", "quant_algo": "NVFP4"}, "Model Optimizer's format 'NVFP4'; FP8 is supported"),
        ({"quant_method": "auto-round", "packing_format": "auto_round:x"}, "quantised by 'auto-round'"),
        ({"quant_method": "gptq", "checkpoint_format": "marlin"}, "in the format 'marlin'"),
        ({"quant_method": "awq", "version": "gemv"}, "'gemv' with None bits; 'gemm' with 4 is supported"),
        ({"quant_method": "awq"}, "different shapes"),
        (
            {"quant_method": "compressed-tensors", "format": "nvfp4-pack-quantized"},
            "'nvfp4-pack-quantized'",
        ),
        ({"quant_method": "compressed-tensors", "format": "pack-quantized"}, "no weight_scale"),
        (
            {"quant_method": "compressed-tensors", "sparsity_config": {"format": "sparse-24-bitmask"}},
            "sparse in compressed-tensors' way",
        ),
        ("gptq", "unusable value 'gptq' for quantization_config"),
    ],
)
def test_an_unsupported_quantisation_layout_gives_a_short_error(config: Any, sentence: str, tmp_path: Path) -> None:
    write_quantized(tmp_path / "hf", "llama", QUANTIZATIONS["GPTQ"])
    set_config(tmp_path / "hf", config)
    with pytest.raises(ModelFileError, match=sentence):
        HuggingFaceModel(tmp_path / "hf")


@pytest.mark.parametrize(
    ("config", "sentence"),
    [
        ({"bits": 3}, "mode 'affine' with 3 bits in groups of 64"),
        ({"mode": "mxfp4"}, "mode 'mxfp4' with 4 bits"),
        ({"group_size": 128}, "tensors of different shapes"),
        ({"model.layers.1.mlp.up_proj": {"group_size": 64, "bits": 6}}, "with 6 bits"),
    ],
)
def test_settings_of_mlx_are_checked(config: dict[str, Any], sentence: str, tmp_path: Path) -> None:
    write_quantized(tmp_path / "hf", "llama", QUANTIZATIONS["MLX"])
    path = tmp_path / "hf" / "config.json"
    content = json.loads(path.read_text())
    own = content.pop("quantization_config")
    path.write_text(json.dumps(content | {"quantization": own}))
    assert HuggingFaceModel(tmp_path / "hf").tensors["blk.1.ffn_up.weight"].format.name == "INT4"
    path.write_text(json.dumps(content | {"quantization": own | config}))
    with pytest.raises(ModelFileError, match=sentence):
        HuggingFaceModel(tmp_path / "hf")


@pytest.mark.parametrize(
    ("name", "part", "change"),
    [
        ("FP8, blocks", "weight_scale_inv", lambda values: values[:-1].copy()),
        ("FP8, blocks", "weight_scale_inv", lambda values: np.full_like(values, np.inf)),
        ("FP8, blocks", "weight", lambda values: np.full_like(values, 0x7F)),
        ("FP8, blocks", "weight", None),
        ("FP8, powers of two", "weight_scale_inv", lambda values: np.full_like(values, 255)),
        ("FP8, blocks", "weight_scale_inv", None),
        ("bitsandbytes, NF4", "weight", lambda values: values[:-1].copy()),
        ("bitsandbytes, NF4", "weight", None),
        ("bitsandbytes, NF4", "weight.absmax", lambda values: values[:-1].copy()),
        ("bitsandbytes, NF4", "weight.absmax", None),
        ("bitsandbytes, NF4", "weight.absmax", lambda values: np.full_like(values, np.nan)),
        ("bitsandbytes, NF4", "weight.quant_map", lambda values: values[:-1].copy()),
        ("bitsandbytes, NF4", "weight.quant_state.bitsandbytes__nf4", lambda values: values[1:].copy()),
        ("bitsandbytes, nested", "weight.nested_absmax", lambda values: values[:-1].copy()),
        ("bitsandbytes, nested", "weight.nested_quant_map", None),
    ],
)
def test_damaged_parts_of_rounded_matrices_are_refused(
    name: str, part: str, change: Callable[[Array], Array] | None, tmp_path: Path
) -> None:
    good = ROUNDED[name]

    def make(weight: Array, rng: np.random.Generator) -> tuple[Parts, Array]:
        parts, values = good.make(weight, rng)
        damage = _without(part) if change is None else _changed(part, change)
        return damage(parts), values

    write_quantized(tmp_path / "hf", "llama", replace(good, make=make))
    (tmp_path / "cache").mkdir()
    with pytest.raises(ModelFileError):
        build_graph(HuggingFaceModel(tmp_path / "hf"), tmp_path / "cache", exact=False)


def _without(part: str) -> Callable[[Parts], Parts]:
    return lambda parts: {name: value for name, value in parts.items() if name != part}


def _changed(part: str, change: Callable[[Array], Array], kind: str | None = None) -> Callable[[Parts], Parts]:
    return lambda parts: parts | {part: (kind or parts[part][0], change(parts[part][1]))}


@pytest.mark.parametrize(
    "damage",
    [
        _without("qweight"),
        _without("scales"),
        _without("qzeros"),
        _changed("scales", lambda values: values[:-1].copy()),
        _changed("scales", lambda values: values[:, :-1].copy()),
        _changed("scales", lambda values: np.full_like(values, np.nan)),
        _changed("scales", lambda values: values.view(np.int16), "I16"),
        _changed("qzeros", lambda values: values[:, :-1].copy()),
        _changed("qweight", lambda values: values.astype(np.int16), "I16"),
        _changed("qweight", lambda values: values[: len(values) // 4 * 3].copy()),  # 3 bits
        _changed("qweight", lambda values: values[:, :-1].copy()),
        _changed("g_idx", lambda values: values[:-1].copy()),
        _changed("g_idx", lambda values: values * 0),
        _changed("g_idx", lambda values: values - 1),
        _changed("g_idx", lambda values: values + 10**6),
    ],
)
def test_damaged_parts_are_refused(damage: Callable[[Parts], Parts], tmp_path: Path) -> None:
    good = QUANTIZATIONS["GPTQ"]

    def make(weight: Array, rng: np.random.Generator) -> tuple[Parts, Array]:
        parts, values = good.make(weight, rng)
        return damage(parts), values

    write_quantized(tmp_path / "hf", "llama", replace(good, make=make))
    (tmp_path / "cache").mkdir()
    with pytest.raises(ModelFileError):
        build_graph(HuggingFaceModel(tmp_path / "hf"), tmp_path / "cache", exact=False)
