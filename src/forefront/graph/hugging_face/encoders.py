"""Encoders of Transformers: classes that make vectors and generate no text."""

from dataclasses import replace
from typing import Final

from forefront.graph.hugging_face.family import HfFamily

_BERT_LAYER: Final = {
    **{f"attention.self.{part}": f"attn_{part[0]}" for part in ("query", "key", "value")},
    "attention.output.dense": "attn_output",
    "attention.output.LayerNorm": "attn_output_norm",
    "intermediate.dense": "ffn_up",
    "output.dense": "ffn_down",
    "output.LayerNorm": "layer_output_norm",
}
_BERT_MODEL: Final = {
    "embeddings.word_embeddings": "token_embd",
    "embeddings.position_embeddings": "position_embd",
    "embeddings.token_type_embeddings": "token_types",
    "embeddings.LayerNorm": "token_embd_norm",
}
_BERT: Final = HfFamily(
    "bert",
    _BERT_LAYER,
    _BERT_MODEL,
    layers="encoder.layer.",
    activations=frozenset({"gelu"}),
    plain={"position_embedding_type": (None, "absolute")},
    is_encoder=True,
    prefix="bert.",
    ignored=r"embeddings\.position_ids|pooler\..*|cls\..*",
)
_ROBERTA: Final = replace(
    _BERT, prefix="roberta.", ignored=r"embeddings\.position_ids|pooler\..*|lm_head\..*", first_position=True
)
# Their heads score pairs of texts.
_BERT_RANK: Final = replace(
    _BERT,
    model_modules={**_BERT_MODEL, "pooler.dense": "cls", "classifier": "cls.output"},
    ignored=r"embeddings\.position_ids",
)
_ROBERTA_RANK: Final = replace(
    _ROBERTA,
    model_modules={**_BERT_MODEL, "classifier.dense": "cls", "classifier.out_proj": "cls.output"},
    ignored=r"embeddings\.position_ids|pooler\..*",
)
_MODERN_BERT: Final = HfFamily(
    "modern-bert",
    {
        "attn.Wqkv": "attn_qkv",
        "attn.Wo": "attn_output",
        "mlp_norm": "ffn_norm",
        "mlp.Wi": "ffn_up",
        "mlp.Wo": "ffn_down",
        "attn_norm": "attn_norm",
    },
    {"embeddings.tok_embeddings": "token_embd", "embeddings.norm": "token_embd_norm", "final_norm": "output_norm"},
    layers="layers.",
    activations=frozenset({"gelu"}),
    windows="first",
    settings={"rope.freq_base_swa": "rope_local_base_freq"},
    defaults={
        "norm_eps": 1e-5,
        "rope_theta": 160000.0,
        "rope_local_base_freq": 10000.0,
        "sliding_window": 128,
        "sliding_window_pattern": 3,
    },
    aliases={
        "sliding_window": "local_attention",
        "sliding_window_pattern": "global_attn_every_n_layers",
        "rope_theta": "global_rope_theta",
        "rope_local_base_freq": "local_rope_theta",
    },
    # The type is of another feature in old configurations.
    plain={"position_embedding_type": (None, "rope", "absolute", "sans_pos")},
    is_encoder=True,
    prefix="model.",
    ignored=r"head\..*|decoder\..*",
)
_DISTIL_BERT: Final = HfFamily(
    "bert",
    {
        **{f"attention.{part}_lin": f"attn_{part}" for part in "qkv"},
        "attention.out_lin": "attn_output",
        "sa_layer_norm": "attn_output_norm",
        "ffn.lin1": "ffn_up",
        "ffn.lin2": "ffn_down",
        "output_layer_norm": "layer_output_norm",
    },
    _BERT_MODEL,
    layers="transformer.layer.",
    activations=frozenset({"gelu"}),
    defaults={"layer_norm_eps": 1e-12},
    aliases={
        "hidden_size": "dim",
        "intermediate_size": "hidden_dim",
        "num_attention_heads": "n_heads",
        "num_hidden_layers": "n_layers",
        "hidden_act": "activation",
    },
    is_encoder=True,
    prefix="distilbert.",
    ignored=r"embeddings\.position_ids|vocab_.*",
)
_EURO_BERT: Final = HfFamily("eurobert", plain={"is_causal": (None, False)}, is_encoder=True, ignored=r"lm_head\..*")
_NOMIC_BERT: Final = HfFamily(
    "nomic-bert",
    {
        "attn.Wqkv": "attn_qkv",
        "attn.out_proj": "attn_output",
        "norm1": "attn_output_norm",
        "mlp.fc11": "ffn_up",
        "mlp.fc12": "ffn_gate",
        "mlp.fc2": "ffn_down",
        "norm2": "layer_output_norm",
    },
    {
        "embeddings.word_embeddings": "token_embd",
        "embeddings.token_type_embeddings": "token_types",
        "emb_ln": "token_embd_norm",
    },
    layers="encoder.layers.",
    activations=frozenset({"swiglu"}),
    aliases={
        "hidden_size": "n_embd",
        "intermediate_size": "n_inner",
        "num_attention_heads": "n_head",
        "num_hidden_layers": "n_layer",
        "max_position_embeddings": "n_positions",
        "rope_theta": "rotary_emb_base",
        "partial_rotary_factor": "rotary_emb_fraction",
    },
    plain={
        "prenorm": (None, False),
        "rotary_emb_interleaved": (None, False),
        "rotary_emb_scale_base": (None,),
        "rotary_scaling_factor": (None,),
    },
    is_encoder=True,
)

# By class.
ENCODERS: Final[dict[str, HfFamily]] = {
    **dict.fromkeys(("BertModel", "BertForMaskedLM"), _BERT),
    "BertForSequenceClassification": _BERT_RANK,
    **dict.fromkeys(("RobertaModel", "RobertaForMaskedLM", "XLMRobertaModel", "XLMRobertaForMaskedLM"), _ROBERTA),
    **dict.fromkeys(("RobertaForSequenceClassification", "XLMRobertaForSequenceClassification"), _ROBERTA_RANK),
    **dict.fromkeys(("DistilBertModel", "DistilBertForMaskedLM"), _DISTIL_BERT),
    **dict.fromkeys(("EuroBertModel", "EuroBertForMaskedLM"), _EURO_BERT),
    "NomicBertModel": _NOMIC_BERT,
    **dict.fromkeys(("ModernBertModel", "ModernBertForMaskedLM"), _MODERN_BERT),
}
