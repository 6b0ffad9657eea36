"""A configuration reaches the graph, or is refused in one sentence."""

import json
import math
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from forefront.graph.build import build_graph
from forefront.graph.errors import ModelFileError
from forefront.graph.gguf.gguf_file import GgufFile
from forefront.graph.hugging_face.config import HfConfig
from forefront.graph.hugging_face.metadata import read_metadata
from forefront.graph.hugging_face.model import HuggingFaceModel
from tests.support.models.hf_decoder import CHECKPOINTS, write_checkpoint
from tests.support.models.random_decoder import FAMILIES, write_decoder

BASE: dict[str, Any] = {
    "architectures": ["Qwen2ForCausalLM"],
    "hidden_size": 64,
    "num_hidden_layers": 4,
    "num_attention_heads": 4,
    "intermediate_size": 96,
    "max_position_embeddings": 512,
    "rms_norm_eps": 1e-6,
    "hidden_act": "silu",
}


def fields(**changes: Any) -> dict[str, Any]:
    """GGUF's metadata, less the architecture's name."""
    metadata, _ = read_metadata(HfConfig(BASE | changes))
    return {key.partition(".")[2]: value for key, value in metadata.items()}


LAYERS = ["sliding_attention", "full_attention"] * 2


@pytest.mark.parametrize(
    ("changes", "pattern"),
    [
        ({"sliding_window": 8}, None),
        ({"sliding_window": 8, "use_sliding_window": True, "max_window_layers": 3}, [0, 0, 0, 1]),
        ({"sliding_window": 8, "use_sliding_window": True, "layer_types": LAYERS}, [1, 0, 1, 0]),
        ({"sliding_window": None, "use_sliding_window": True}, None),
        ({"architectures": ["MistralForCausalLM"], "sliding_window": 8}, [1, 1, 1, 1]),
        ({"architectures": ["MistralForCausalLM"], "sliding_window": None}, None),
        ({"architectures": ["LlamaForCausalLM"], "sliding_window": 8}, None),
        ({"architectures": ["Olmo3ForCausalLM"], "sliding_window": 8}, [1, 1, 1, 0]),
        ({"architectures": ["Exaone4ForCausalLM"], "sliding_window": 8, "layer_types": LAYERS}, [1, 0, 1, 0]),
        ({"architectures": ["Cohere2ForCausalLM"], "sliding_window": 8, "sliding_window_pattern": 2}, [1, 0, 1, 0]),
        ({"architectures": ["Exaone4ForCausalLM"], "sliding_window": 8, "sliding_window_pattern": "LLG"}, [1, 1, 0, 1]),
    ],
)
def test_windows(changes: dict[str, Any], pattern: list[int] | None) -> None:
    found = fields(**changes)
    assert found.get("attention.sliding_window_pattern") == pattern
    assert found.get("attention.sliding_window") == (None if pattern is None else 8)


def test_positions_under_another_name() -> None:
    cohere = {"architectures": ["Cohere2ForCausalLM"], "position_embedding_type": "rope_gptj"}
    assert fields(**cohere)["rope.interleaved"] is True


@pytest.mark.parametrize(("changes", "cap"), [({}, 50), ({"attn_logit_softcapping": None}, 0)])
def test_a_null_soft_cap_is_absent(changes: dict[str, Any], cap: float) -> None:
    gemma2 = {"architectures": ["Gemma2ForCausalLM"], "hidden_act": "gelu_pytorch_tanh"}
    assert fields(**gemma2, **changes)["attn_logit_softcapping"] == cap


def test_the_magnitude_of_longrope_and_yarn() -> None:
    factors = {"long_factor": [2.0] * 8, "short_factor": [1.0] * 8, "type": "longrope"}
    found = fields(rope_scaling=factors, original_max_position_embeddings=128)
    assert found["rope.scaling.attn_factor"] == pytest.approx(math.sqrt(1 + math.log(4) / math.log(128)))
    yarn = {"rope_type": "yarn", "factor": 4.0, "original_max_position_embeddings": 128}
    assert "rope.scaling.attn_factor" not in fields(rope_scaling=yarn)
    usual = 0.1 * math.log(4) + 1
    assert fields(rope_scaling=yarn | {"attention_factor": 2.0})["rope.scaling.attn_factor"] * usual == pytest.approx(2)


LFM2: dict[str, Any] = {"architectures": ["Lfm2ForCausalLM"], "num_key_value_heads": 2}
GEMMA4: dict[str, Any] = {"architectures": ["Gemma4ForCausalLM"], "hidden_act": "gelu_pytorch_tanh"}


def test_the_defaults_of_gemma_4() -> None:
    found = fields(**GEMMA4)
    assert (found["attention.key_length"], found["attention.key_length_swa"]) == (512, 256)
    assert (found["rope.freq_base"], found["rope.freq_base_swa"]) == (1e6, 1e4)
    assert (found["rope.dimension_count"], found["rope.dimension_count_swa"]) == (512, 256)


HYBRID = "GraniteMoeHybridForCausalLM"
REFUSED: list[tuple[dict[str, Any], str]] = [
    (
        {"architectures": ["MixtralForCausalLM"]},
        "'MixtralForCausalLM' is not supported; supported are Apertus",
    ),
    ({"architectures": ["LlamaForTokenClassification"]}, "'LlamaForTokenClassification' is not supported"),
    ({"architectures": ["Gemma3nForCausalLM"]}, "'Gemma3nForCausalLM' is not supported"),
    (GEMMA4 | {"enable_moe_block": True}, "enable_moe_block 'True', which is not supported"),
    (GEMMA4 | {"use_bidirectional_attention": "all"}, "use_bidirectional_attention 'all', which is not supported"),
    (GEMMA4 | {"per_layer_config": {"5": {"head_dim": 8}}}, "has per_layer_config .* which is not supported"),
    (GEMMA4 | {"hidden_size_per_layer_input": "x"}, "unusable value 'x' for hidden_size_per_layer_input"),
    (GEMMA4 | {"rope_scaling": {"type": "proportional", "partial_rotary_factor": 2}}, "value 2.0 for partial_rotary"),
    (
        {"architectures": [HYBRID], "position_embedding_type": "rope", "num_local_experts": 8},
        "num_local_experts '8'",
    ),
    ({"architectures": [HYBRID]}, "position_embedding_type 'None'"),
    ({"architectures": None}, "does not name one architecture"),
    ({"architectures": [[]]}, "does not name one architecture"),
    ({"num_hidden_layers": 10**9}, "1000000000 layers, more than are supported"),
    ({"num_hidden_layers": None}, "no num_hidden_layers"),
    ({"hidden_size": "wide"}, "unusable value 'wide' for hidden_size"),
    ({"num_attention_heads": True}, "unusable value True for num_attention_heads"),
    ({"num_attention_heads": 0}, "unusable value 0 for num_attention_heads"),
    ({"rms_norm_eps": math.nan}, "unusable value nan for rms_norm_eps"),
    ({"hidden_act": "tanh"}, "activation 'tanh' is not supported"),
    ({"attn_logit_softcapping": 50.0}, "attn_logit_softcapping '50.0', which is not supported"),
    ({"rope_scaling": {"type": "ntk"}}, "scaled by 'ntk'; default, linear,"),
    ({"rope_scaling": {"type": "linear", "factor": "2"}}, "unusable value '2' for factor"),
    ({"rope_scaling": {"type": "yarn", "factor": -1}}, "unusable value -1.0 for factor"),
    ({"rope_scaling": {"type": "yarn", "factor": 4, "truncate": False}}, "without truncation"),
    ({"rope_scaling": {"type": "longrope", "long_factor": [1], "short_factor": [1]}}, "long_factor has 1 numbers"),
    ({"rope_scaling": [1]}, "unusable value .* for rope_scaling"),
    ({"partial_rotary_factor": 0.01}, "rotate 0 of the 16 channels"),
    (
        {"sliding_window": 8, "use_sliding_window": True, "layer_types": ["chunked"]},
        "unusable value .* for layer_types",
    ),
    (LFM2 | {"layer_types": ["conv"]}, "unusable value .* for layer_types"),
    (LFM2 | {"layer_types": [["conv"]] * 4}, "unusable value .* for layer_types"),
    (LFM2 | {"full_attn_idxs": 3}, "unusable value 3 for full_attn_idxs"),
    (LFM2 | {"conv_L_cache": 1}, "unusable value 1 for conv_L_cache"),
    (
        {"architectures": ["MiniCPMForCausalLM"], "sparse_config": {"topk": 64}},
        "sparse_config .*, which is not supported",
    ),
    ({"architectures": ["MiniCPMForCausalLM"], "dim_model_base": 0}, "unusable value 0 for dim_model_base"),
    ({"architectures": ["SmolLM3ForCausalLM"], "no_rope_layers": [0, 1, 1, 1]}, "no_rope_layers are others"),
]


@pytest.mark.parametrize(("changes", "reason"), REFUSED)
def test_reasons_are_named(changes: dict[str, Any], reason: str) -> None:
    with pytest.raises(ModelFileError, match=reason) as error:
        fields(**changes)
    assert "\n" not in str(error.value)


@pytest.fixture(scope="module")
def checkpoint(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("hf")
    write_decoder(folder / "model.gguf", FAMILIES["phi3, long context"])
    write_checkpoint(folder / "hf", CHECKPOINTS["phi3, long context"], GgufFile(folder / "model.gguf"))
    return folder / "hf"


def changed(checkpoint: Path, folder: Path, changes: dict[str, Any]) -> Path:
    """The checkpoint with another configuration."""
    folder.mkdir(exist_ok=True)
    config = json.loads((checkpoint / "config.json").read_text()) | changes
    (folder / "config.json").write_text(json.dumps(config))
    if not (folder / "model.safetensors").exists():
        (folder / "model.safetensors").symlink_to(checkpoint / "model.safetensors")
    return folder


@pytest.mark.parametrize("method", ["eetq", "torchao", "quark"])
def test_a_quantisation_is_named(checkpoint: Path, tmp_path: Path, method: str) -> None:
    changes = {"quantization_config": {"quant_method": method}}
    with pytest.raises(ModelFileError, match=f"quantised by '{method}', which is not supported"):
        HuggingFaceModel(changed(checkpoint, tmp_path / "hf", changes))


def test_untied_word_embeddings_are_required(tmp_path: Path) -> None:
    write_decoder(tmp_path / "model.gguf", FAMILIES["llama, tied"])
    write_checkpoint(tmp_path / "hf", CHECKPOINTS["llama, tied"], GgufFile(tmp_path / "model.gguf"))
    config = json.loads((tmp_path / "hf" / "config.json").read_text()) | {"tie_word_embeddings": False}
    (tmp_path / "hf" / "config.json").write_text(json.dumps(config))
    with pytest.raises(ModelFileError, match=r"no tensor 'lm_head\.weight'"):
        HuggingFaceModel(tmp_path / "hf")


VALUES = st.recursive(
    st.sampled_from(
        [0, 1, 2, 7, 64, 2**31, 10**400, -1, 0.0, 1e-30, 1e300, math.nan, True, None, "", "yarn", "llama3"]
    ),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.sampled_from(["type", "factor"]), inner, max_size=2),
    max_leaves=4,
)
KEYS = [
    *("hidden_size", "num_hidden_layers", "num_attention_heads", "num_key_value_heads", "head_dim", "rope_scaling"),
    *("intermediate_size", "max_position_embeddings", "rms_norm_eps", "rope_theta", "partial_rotary_factor"),
    *("sliding_window", "layer_types", "tie_word_embeddings", "original_max_position_embeddings", "text_config"),
    *("hidden_act", "no_rope_layers", "quantization_config", "use_sliding_window", "query_pre_attn_scalar"),
]


@settings(max_examples=100, deadline=None, suppress_health_check=list(HealthCheck))
@given(changes=st.dictionaries(st.sampled_from(KEYS), VALUES, min_size=1, max_size=3))
def test_any_configuration_is_built_or_refused(checkpoint: Path, tmp_path: Path, changes: dict[str, Any]) -> None:
    cache = tmp_path / "cache"
    cache.mkdir(exist_ok=True)
    try:
        build_graph(HuggingFaceModel(changed(checkpoint, tmp_path / "hf", changes)), cache, exact=True)
    except ModelFileError as error:
        assert "\n" not in str(error)
