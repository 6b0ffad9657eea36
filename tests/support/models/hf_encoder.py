"""The random embedding models of `random_encoder` as Hugging Face directories: the same weights in the other format."""

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

import numpy as np

from forefront.graph.gguf.gguf_file import GgufFile
from tests.support.models.hf_decoder import Array, write_safetensors
from tests.support.models.random_decoder import CONTEXT, VOCABULARY
from tests.support.models.random_encoder import CLS, ENCODERS, LAST, MEAN

_BERT_LAYER: Final = {
    "attn_q": "attention.self.query",
    "attn_k": "attention.self.key",
    "attn_v": "attention.self.value",
    "attn_output": "attention.output.dense",
    "attn_output_norm": "attention.output.LayerNorm",
    "ffn_up": "intermediate.dense",
    "ffn_down": "output.dense",
    "layer_output_norm": "output.LayerNorm",
}
_BERT_MODEL: Final = {
    "token_embd": "embeddings.word_embeddings",
    "position_embd": "embeddings.position_embeddings",
    "token_types": "embeddings.token_type_embeddings",
    "token_embd_norm": "embeddings.LayerNorm",
}
_LLAMA_LAYER: Final = {
    "attn_norm": "input_layernorm",
    **{f"attn_{part}": f"self_attn.{part}_proj" for part in "qkv"},
    "attn_output": "self_attn.o_proj",
    "attn_q_norm": "self_attn.q_norm",
    "attn_k_norm": "self_attn.k_norm",
    "ffn_norm": "post_attention_layernorm",
    **{f"ffn_{part}": f"mlp.{part}_proj" for part in ("gate", "up", "down")},
}
_LLAMA_MODEL: Final = {"token_embd": "embed_tokens", "output_norm": "norm", "cls.output": "score"}
_BERT_CONFIG: Final = {"layer_norm_eps": 1e-5, "hidden_act": "gelu", "position_embedding_type": "absolute"}
_QWEN_CONFIG: Final = {"rms_norm_eps": 1e-5, "hidden_act": "silu", "tie_word_embeddings": False}
_MODES: Final = {MEAN: "mean_tokens", CLS: "cls_token", LAST: "lasttoken"}


@dataclass(frozen=True, slots=True)
class EncoderCheckpoint:
    """A class of Transformers. `family`: of `random_encoder`. `model`, `layer`: names of modules by GGUF's. `layers`:
    what those of a layer begin with, after `prefix`. `others`: tensors without a use. `pooling`: of Sentence
    Transformers, if the directory has its modules."""

    family: str
    name: str
    model: Mapping[str, str]
    layer: Mapping[str, str]
    layers: str
    config: dict[str, Any]
    prefix: str = ""
    others: tuple[str, ...] = ()
    pooling: int | None = None
    change: Callable[[str, Array], Array] = field(default=lambda _name, values: values)


def _padded_positions(name: str, values: Array) -> Array:
    """RoBERTa's positions begin after those of the padding token."""
    return np.concatenate([np.ones_like(values[:2]), values]) if name == "position_embd.weight" else values


def _minus_one(name: str, values: Array) -> Array:
    return values - 1 if name.endswith("norm.weight") else values


_BERT: Final[dict[str, Any]] = {"layer": _BERT_LAYER, "layers": "encoder.layer."}
_ROBERTA: Final[dict[str, Any]] = {
    **_BERT,
    "config": _BERT_CONFIG | {"max_position_embeddings": CONTEXT + 2, "pad_token_id": 1},
    "prefix": "roberta.",
    "change": _padded_positions,
}
_NOMIC_CONFIG: Final = {
    **{"n_embd": 80, "n_inner": 88, "n_head": 4, "n_layer": 4, "n_positions": CONTEXT, "rotary_emb_base": 1000},
    **{"rotary_emb_fraction": 1.0, "layer_norm_epsilon": 1e-5, "activation_function": "swiglu", "prenorm": False},
}
_NOMIC_LAYER: Final = {
    **{"attn_qkv": "attn.Wqkv", "attn_output": "attn.out_proj", "attn_output_norm": "norm1"},
    **{"ffn_up": "mlp.fc11", "ffn_gate": "mlp.fc12", "ffn_down": "mlp.fc2", "layer_output_norm": "norm2"},
}
_NOMIC_MODEL: Final = {
    "token_embd": "embeddings.word_embeddings",
    "token_types": "embeddings.token_type_embeddings",
    "token_embd_norm": "emb_ln",
}
_DISTIL_LAYER: Final = {
    **{f"attn_{part}": f"attention.{part}_lin" for part in "qkv"},
    **{"attn_output": "attention.out_lin", "attn_output_norm": "sa_layer_norm"},
    **{"ffn_up": "ffn.lin1", "ffn_down": "ffn.lin2", "layer_output_norm": "output_layer_norm"},
}
# By the name of a test.
CHECKPOINTS: Final[dict[str, EncoderCheckpoint]] = {
    "bert": EncoderCheckpoint(
        "bert, cls", "BertModel", _BERT_MODEL, config=_BERT_CONFIG, others=("pooler.dense",), pooling=CLS, **_BERT
    ),
    "bert, mean without modules": EncoderCheckpoint(
        "bert, mean",
        "BertForMaskedLM",
        _BERT_MODEL,
        config=_BERT_CONFIG,
        prefix="bert.",
        others=("cls.predictions.transform.dense",),
        **_BERT,
    ),
    "bert, rank": EncoderCheckpoint(
        "bert, rank",
        "BertForSequenceClassification",
        {**_BERT_MODEL, "cls": "pooler.dense", "cls.output": "classifier"},
        config=_BERT_CONFIG,
        prefix="bert.",
        **_BERT,
    ),
    "xlm-roberta": EncoderCheckpoint("bert, mean", "XLMRobertaModel", _BERT_MODEL, pooling=MEAN, **_ROBERTA),
    "xlm-roberta, rank": EncoderCheckpoint(
        "bert, rank",
        "XLMRobertaForSequenceClassification",
        {**_BERT_MODEL, "cls": "classifier.dense", "cls.output": "classifier.out_proj"},
        **_ROBERTA,
    ),
    "distilbert": EncoderCheckpoint(
        "bert, one segment",
        "DistilBertForMaskedLM",
        _BERT_MODEL,
        _DISTIL_LAYER,
        "transformer.layer.",
        {"dim": 80, "hidden_dim": 88, "n_heads": 4, "n_layers": 4, "activation": "gelu", "layer_norm_eps": 1e-5}
        | dict.fromkeys(("hidden_size", "intermediate_size", "num_hidden_layers", "num_attention_heads")),
        prefix="distilbert.",
        others=("vocab_transform",),
    ),
    "nomic-bert": EncoderCheckpoint(
        "nomic-bert",
        "NomicBertModel",
        _NOMIC_MODEL,
        _NOMIC_LAYER,
        "encoder.layers.",
        _NOMIC_CONFIG
        | dict.fromkeys(("hidden_size", "intermediate_size", "num_hidden_layers", "num_attention_heads"))
        | dict.fromkeys(("max_position_embeddings", "rope_theta")),
        pooling=MEAN,
    ),
    "eurobert": EncoderCheckpoint(
        "eurobert",
        "EuroBertForMaskedLM",
        _LLAMA_MODEL,
        _LLAMA_LAYER,
        "layers.",
        _QWEN_CONFIG | {"is_causal": False},
        prefix="model.",
        others=("lm_head",),
    ),
    "modern-bert": EncoderCheckpoint(
        "modern-bert",
        "ModernBertModel",
        {
            "token_embd": "embeddings.tok_embeddings",
            "token_embd_norm": "embeddings.norm",
            "output_norm": "final_norm",
        },
        {
            **{"attn_norm": "attn_norm", "attn_qkv": "attn.Wqkv", "attn_output": "attn.Wo"},
            **{"ffn_norm": "mlp_norm", "ffn_up": "mlp.Wi", "ffn_down": "mlp.Wo"},
        },
        "layers.",
        {
            **{"norm_eps": 1e-5, "hidden_activation": "gelu", "local_attention": 16, "global_attn_every_n_layers": 3},
            **{"global_rope_theta": 160000.0, "local_rope_theta": 1000.0, "rope_theta": None},
        },
        prefix="model.",
        pooling=MEAN,
    ),
    "gemma-embedding": EncoderCheckpoint(
        "gemma-embedding",
        "Gemma3TextModel",
        _LLAMA_MODEL,
        {
            **_LLAMA_LAYER,
            "post_attention_norm": "post_attention_layernorm",
            "ffn_norm": "pre_feedforward_layernorm",
            "post_ffw_norm": "post_feedforward_layernorm",
        },
        "layers.",
        {
            **{"rms_norm_eps": 1e-5, "hidden_activation": "gelu_pytorch_tanh", "query_pre_attn_scalar": 20},
            **{"rope_theta": 1e6, "rope_local_base_freq": 10000.0, "sliding_window": 16},
            "use_bidirectional_attention": True,
        },
        pooling=MEAN,
        change=_minus_one,
    ),
    "qwen3": EncoderCheckpoint(
        "qwen3", "Qwen3ForCausalLM", _LLAMA_MODEL, _LLAMA_LAYER, "layers.", _QWEN_CONFIG, pooling=LAST
    ),
    "qwen3, score": EncoderCheckpoint(
        "qwen3, score",
        "Qwen3ForSequenceClassification",
        {name: module if name == "cls.output" else f"model.{module}" for name, module in _LLAMA_MODEL.items()},
        _LLAMA_LAYER,
        "model.layers.",
        _QWEN_CONFIG,
    ),
}


def write_encoder_checkpoint(directory: Path, checkpoint: EncoderCheckpoint, file: GgufFile) -> None:
    """The weights of a GGUF file of the checkpoint's family as a Hugging Face directory."""
    directory.mkdir(exist_ok=True)
    shape = ENCODERS[checkpoint.family].shape
    config = {
        "architectures": [checkpoint.name],
        "hidden_size": shape.width,
        "num_hidden_layers": shape.layers,
        "num_attention_heads": shape.heads,
        "num_key_value_heads": shape.key_heads,
        "head_dim": shape.head_width,
        "intermediate_size": shape.hidden,
        "max_position_embeddings": CONTEXT,
        "rope_theta": 10000.0,
        "vocab_size": VOCABULARY,
    } | checkpoint.config
    (directory / "config.json").write_text(json.dumps(config))
    tensors: dict[str, tuple[str, Array]] = {}
    dense: dict[str, Array] = {}
    for name, tensor in file.tensors.items():
        if name.startswith("dense_"):
            dense[name.split(".")[0]] = tensor.floats()
            continue
        values = checkpoint.change(name, tensor.floats())
        tensors[_name(checkpoint, name)] = ("F32", values)
    for name in checkpoint.others:
        tensors[checkpoint.prefix * name.startswith("pooler") + name + ".weight"] = ("F32", np.ones((2, 2), np.float32))
    write_safetensors(directory / "model.safetensors", tensors)
    if checkpoint.pooling is not None:
        _write_modules(directory, checkpoint.pooling, dense)


def _name(checkpoint: EncoderCheckpoint, name: str) -> str:
    module, _, kind = name.rpartition(".")
    if module.startswith("blk."):
        _, number, part = module.split(".", 2)
        return f"{checkpoint.prefix}{checkpoint.layers}{number}.{checkpoint.layer[part]}.{kind}"
    renamed = checkpoint.model[module]
    head = renamed.startswith("classifier")
    return f"{'' if head else checkpoint.prefix}{renamed}.{kind}"


def _write_modules(directory: Path, pooling: int, dense: Mapping[str, Array]) -> None:
    """The files of Sentence Transformers."""
    kinds = ["Transformer", "Pooling", *("Dense" for _ in dense), "Normalize"]
    folders = ["", *(f"{number}_{kind}" for number, kind in enumerate(kinds[1:], start=1))]
    modules = [
        {"idx": n, "name": str(n), "path": folder, "type": f"sentence_transformers.models.{kind}"}
        for n, (kind, folder) in enumerate(zip(kinds, folders, strict=True))
    ]
    (directory / "modules.json").write_text(json.dumps(modules))
    (directory / "1_Pooling").mkdir()
    modes = {f"pooling_mode_{mode}": number == pooling for number, mode in _MODES.items()}
    (directory / "1_Pooling" / "config.json").write_text(json.dumps(modes | {"word_embedding_dimension": 8}))
    for folder, weight in zip(folders[2:], dense.values(), strict=False):
        (directory / folder).mkdir()
        settings = {"activation_function": "torch.nn.modules.linear.Identity", "bias": False}
        (directory / folder / "config.json").write_text(json.dumps(settings))
        write_safetensors(directory / folder / "model.safetensors", {"linear.weight": ("F32", weight)})
