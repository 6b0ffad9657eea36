"""Settings that change results are computed, or the file is refused: none is ignored."""

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from forefront.graph.build import find_family
from forefront.graph.errors import ModelFileError
from forefront.graph.settings import Settings
from tests.support.models.loaded import build
from tests.support.models.random_decoder import FAMILIES, write_decoder


def _check(architecture: str = "llama", /, **fields: Any) -> None:
    find_family(
        Settings({"general.architecture": architecture, **{f"{architecture}.{k}": v for k, v in fields.items()}})
    )


@pytest.mark.parametrize(
    ("key", "value"),
    [
        ("attn_logit_softcapping", 50.0),
        ("attention.clamp_kqv", 8.0),
        ("attention.max_alibi_bias", 8.0),
        ("attention.key_length_swa", 64),
        ("attention.temperature_scale", 0.1),
        ("attention.q_lora_rank", 512),
        ("attention.a_new_kind", [0, 1]),
        ("attention.causal", False),
        ("rope.freq_base_swa", 1000.0),
        ("rope.scaling.alpha", 1000.0),
        ("embedding_scale", 12.0),
        ("residual_scale", 0.3),
        ("logit_scale", 0.1),
        ("hidden_activation", "gelu"),
        ("swiglu_clamp_exp", [7.0]),
        ("num_loops", 2),
        ("ssm.state_size", 16),
    ],
)
def test_an_unsupported_setting_of_a_family_is_refused(key: str, value: Any) -> None:
    name = "attention.causal" if key == "attention.causal" else f"{key} = "
    with pytest.raises(ModelFileError, match=rf"{name}.*not supported for its architecture 'llama'\. Another engine"):
        _check(**{key: value})


@pytest.mark.parametrize(
    ("key", "value"),
    [
        ("attn_logit_softcapping", 0.0),
        ("attention.causal", True),
        ("vocab_size", 32000),
        ("vision.block_count", 27),
        ("vision.attention.head_count", 16),
        ("mm.tokens_per_image", 256),
        ("expert_used_count", 8),
        ("use_parallel_residual", True),
        ("rope.scaling.finetuned", True),
        ("deepstack_mapping", [-1, -1]),
    ],
)
def test_an_ineffective_setting_is_accepted(key: str, value: Any) -> None:
    _check(**{key: value})


def test_a_window_setting_equal_to_that_of_all_layers_is_accepted() -> None:
    _check("cohere2", **{"rope.freq_base": 5e4, "rope.freq_base_swa": 5e4})
    with pytest.raises(ModelFileError, match="freq_base_swa"):
        _check("cohere2", **{"rope.freq_base": 5e4, "rope.freq_base_swa": 1e4})


def test_names_of_another_converter() -> None:
    """Ollama's, for positions of Gemma 3. The usual names take precedence."""
    fields = {"rope.global.freq_base": 1e6, "rope.local.freq_base": 5e3, "rope.scaling.beta_fast": 64.0}
    settings = Settings({"general.architecture": "gemma3", **{f"gemma3.{key}": value for key, value in fields.items()}})
    assert settings.number("rope.freq_base") == 1e6
    assert settings.number("rope.freq_base_swa") == 5e3
    assert settings.number("rope.scaling.yarn_beta_fast") == 64
    both = {"gemma3.rope.freq_base": 1e5, "gemma3.rope.global.freq_base": 1e6}
    assert Settings({"general.architecture": "gemma3"} | both).number("rope.freq_base") == 1e5


def test_numbers_of_an_activation_are_checked(tmp_path: Path) -> None:
    for values in ([0.5], [0.5, 0.5, float("inf"), 0.5], "text"):
        family = replace(FAMILIES["apertus"], fields=FAMILIES["apertus"].fields | {"xielu.beta": values})
        write_decoder(tmp_path / "model.gguf", family)
        with pytest.raises(ModelFileError, match=r"unusable value .* xielu\.beta"):
            build(tmp_path / "model.gguf", tmp_path / "cache")
