"""Write the newest checkpoint as a GGUF file: `python -m training.export`."""

import argparse
import json
from pathlib import Path
from typing import Any

import gguf
import torch

from training.model import Shape
from training.render import CONTROL, END

OUTPUT = Path("src/forefront/catalog/builtin/forefront-mini.gguf")
_TEMPLATE = Path(__file__).parent / "chat_template.jinja"
_KINDS = {"F16": gguf.GGMLQuantizationType.F16, "Q8_0": gguf.GGMLQuantizationType.Q8_0}


def main() -> None:
    """Read the command line and export."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument(
        "--run", type=Path, default=Path("training/runs/mini"), help="folder of checkpoints (default %(default)s)"
    )
    parser.add_argument("--output", type=Path, default=OUTPUT, help="default %(default)s")
    parser.add_argument("--quantisation", choices=list(_KINDS), default="Q8_0", help="default %(default)s")
    parser.add_argument("--mean", type=Path, help="another run, whose weights are averaged with these")
    options = parser.parse_args()
    export(options.run, options.output, options.quantisation, options.mean)
    print(f"{options.output}: {options.output.stat().st_size / 1e6:.1f} MB")


def export(run: Path, output: Path, quantisation: str, other: Path | None = None) -> None:
    """Write weights, vocabulary and chat template of a run; with `other`, which it began with, the mean of both."""
    shape = Shape()
    weights = torch.load(run / "checkpoint.pt", weights_only=True)["average"]
    if other is not None:
        before = torch.load(other / "checkpoint.pt", weights_only=True)["average"]
        weights = {name: (weight + before[name]) / 2 for name, weight in weights.items()}
    output.parent.mkdir(parents=True, exist_ok=True)
    writer = gguf.GGUFWriter(output, "llama")
    writer.add_name("forefront-mini")
    writer.add_context_length(shape.context)
    writer.add_embedding_length(shape.width)
    writer.add_block_count(shape.layers)
    writer.add_feed_forward_length(shape.ffn)
    writer.add_head_count(shape.heads)
    writer.add_head_count_kv(shape.kv_heads)
    writer.add_layer_norm_rms_eps(shape.norm_eps)
    writer.add_rope_freq_base(shape.rope_base)
    writer.add_rope_dimension_count(shape.head)
    writer.add_vocab_size(shape.vocabulary)
    writer.add_file_type({"F16": 1, "Q8_0": 7}[quantisation])
    _add_vocabulary(writer, run / "tokenizer.json")
    for name, tensor in weights.items():
        data = tensor.float().numpy()
        kind = _KINDS[quantisation] if data.ndim == 2 else gguf.GGMLQuantizationType.F32
        writer.add_tensor(_gguf_name(name), gguf.quants.quantize(data, kind), raw_dtype=kind)
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()


def _gguf_name(name: str) -> str:
    if name == "norm.weight":
        return "output_norm.weight"
    return name.replace("blocks.", "blk.").replace("embedding.", "token_embd.")


def _add_vocabulary(writer: Any, path: Path) -> None:
    model = json.loads(path.read_text())["model"]
    tokens = sorted(model["vocab"], key=model["vocab"].__getitem__)
    control, normal = gguf.TokenType.CONTROL, gguf.TokenType.NORMAL
    writer.add_tokenizer_model("gpt2")
    writer.add_tokenizer_pre("gpt-2")
    writer.add_token_list(tokens)
    writer.add_token_types([control if token in CONTROL else normal for token in tokens])
    writer.add_token_merges([merge if isinstance(merge, str) else " ".join(merge) for merge in model["merges"]])
    writer.add_bos_token_id(CONTROL.index("<|im_start|>"))
    writer.add_eos_token_id(END)
    writer.add_add_bos_token(False)
    writer.add_chat_template(_TEMPLATE.read_text())


if __name__ == "__main__":
    main()
