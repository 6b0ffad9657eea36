"""The engine for a file is chosen from its header."""

from dataclasses import replace
from pathlib import Path
from typing import Any

import gguf
import numpy as np
import pytest

from forefront.graph.architectures import ARCHITECTURES
from forefront.graph.errors import ModelFileError
from forefront.managed_engines.engine_choice import reason_for_llama_cpp
from forefront.managed_engines.model_header import read_model_header
from tests.support.models.random_decoder import FAMILIES, write_decoder


def _reason(path: Path) -> str | None:
    return reason_for_llama_cpp(read_model_header(path))


def _write(path: Path, architecture: str = "llama", tensors: tuple[str, ...] = (), **fields: Any) -> Path:
    writer = gguf.GGUFWriter(path, architecture)
    writer.add_tokenizer_model(fields.get("tokenizer", "gpt2"))
    writer.add_tokenizer_pre(fields.get("pre", "llama-bpe"))
    if "experts" in fields:
        writer.add_expert_count(fields["experts"])
    for name in ("token_embd.weight", *tensors):
        values = np.zeros((2, 256), np.float32)
        writer.add_tensor(name, values)
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()
    return path


def test_other_families(files: dict[str, Path]) -> None:
    assert _reason(files["mixture"]) == "has the architecture qwen3moe"
    assert _reason(files["hybrid"]) is None  # LFM 2, which both engines run
    assert _reason(files["llama"]) is None


@pytest.mark.parametrize("name", ["llama", "qwen2", "gemma3", "olmo2"])
def test_families_of_the_own_engine(tmp_path: Path, name: str) -> None:
    write_decoder(tmp_path / "model.gguf", FAMILIES[name])
    assert _reason(tmp_path / "model.gguf") is None


def test_a_mixture_of_experts_with_a_dense_family_name(tmp_path: Path) -> None:
    """Mixtral and Granite's mixtures."""
    assert _reason(_write(tmp_path / "a.gguf", experts=8)) == "is a mixture of experts"
    tensors = ("blk.0.ffn_up_exps.weight",)
    assert _reason(_write(tmp_path / "b.gguf", tensors=tensors)) == "is a mixture of experts"
    assert _reason(_write(tmp_path / "c.gguf", experts=0)) is None
    assert _reason(_write(tmp_path / "d.gguf", "hunyuan-dense", experts=1)) is None


def test_a_setting_unsupported_by_the_own_engine(tmp_path: Path) -> None:
    write_decoder(tmp_path / "model.gguf", replace(FAMILIES["llama"], fields={"attention.clamp_kqv": 8.0}))
    assert _reason(tmp_path / "model.gguf") == "has the setting attention.clamp_kqv = 8.0"


def test_formats_and_tokenizers(tmp_path: Path) -> None:
    path = _write(tmp_path / "a.gguf")
    data = bytearray(path.read_bytes())
    name = b"token_embd.weight"
    place = data.index(name) + len(name) + 4 + 16  # after the dimensions
    for number, shown in ((18, "IQ3_XXS"), (40, "NVFP4"), (77, "77")):
        data[place : place + 4] = number.to_bytes(4, "little")
        path.write_bytes(data)
        assert _reason(path) == f"has tensors in the format {shown}"
    assert "tokenizer" in (_reason(_write(tmp_path / "b.gguf", tokenizer="rwkv")) or "")
    assert "tokenizer" in (_reason(_write(tmp_path / "c.gguf", pre="a-new-rule")) or "")


def test_every_architecture_of_the_own_engine_is_chosen(tmp_path: Path) -> None:
    for name in ARCHITECTURES:
        assert _reason(_write(tmp_path / "model.gguf", name)) is None


def test_damaged_headers_are_errors(tmp_path: Path, files: dict[str, Path]) -> None:
    path = tmp_path / "cut.gguf"
    path.write_bytes(files["llama"].read_bytes()[:200])
    with pytest.raises(ModelFileError):
        _reason(path)
