"""Weights and vocabulary of a GGUF file that `training.export` wrote, to go on training with."""

import json
from pathlib import Path

import gguf
import torch
from torch import Tensor


def vocabulary(model: Path, path: Path) -> None:
    """Write the vocabulary of a model as `tokenizer.json`, with what `training.vocabulary.load` reads of it."""
    fields = gguf.GGUFReader(model).fields
    tokens = fields["tokenizer.ggml.tokens"].contents()
    merges = fields["tokenizer.ggml.merges"].contents()
    known = {token: number for number, token in enumerate(tokens)}
    path.write_text(json.dumps({"model": {"vocab": known, "merges": merges}}))


def weights(model: Path) -> dict[str, Tensor]:
    """The tensors of a model in float32, under the names of `training.model.Llama`."""
    return {
        _name(tensor.name): torch.from_numpy(gguf.quants.dequantize(tensor.data, tensor.tensor_type).copy())
        for tensor in gguf.GGUFReader(model).tensors
    }


def _name(name: str) -> str:
    if name == "output_norm.weight":
        return "norm.weight"
    return name.replace("blk.", "blocks.").replace("token_embd.", "embedding.")
