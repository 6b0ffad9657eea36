"""Finds settings that change results and that an architecture's family does not compute.

A setting that is ignored would be a wrong answer without an error. Names: llama.cpp, `src/llama-arch.cpp`.
"""

import re
from typing import Any, Final

from forefront.graph.decoder import Decoder
from forefront.graph.settings import Settings

# Every family computes these, or they describe shapes that the tensors are compared with.
_COMPUTED: Final = frozenset(
    {
        *(f"attention.{key}" for key in ("head_count", "head_count_kv", "key_length", "value_length", "scale")),
        *(f"attention.{key}" for key in ("layer_norm_epsilon", "layer_norm_rms_epsilon", "causal")),
        *(f"attention.{key}" for key in ("sliding_window", "sliding_window_pattern")),
        *(f"rope.{key}" for key in ("dimension_count", "dimension_sections", "freq_base", "interleaved")),
        *(f"rope.{key}" for key in ("scale_linear", "scaling.type", "scaling.factor", "scaling.attn_factor")),
        *(f"rope.scaling.yarn_{key}" for key in ("log_multiplier", "ext_factor", "attn_factor")),
        *(f"rope.scaling.yarn_beta_{end}" for end in ("fast", "slow")),
        *("rope.scaling.original_context_length", "rope.scaling.finetuned", "final_logit_softcapping"),
    }
)
# Names of settings of attention and positions, and of factors, limits and kinds of computation.
_CHANGES_RESULTS: Final = re.compile(
    r"(?:attention|rope|ssm|wkv|xielu)\..+|[^.]*(?:scale|softcap|clamp|activation|loops)[^.]*|.*_lora_rank"
)


def unsupported_setting(settings: Settings, family: type[Decoder], *, embeds: bool) -> str | None:
    """The first setting that `family` would ignore although it changes results, as the end of a sentence with `it`.
    `embeds`: the model makes embeddings, for which attention may see later tokens. Raises `ModelFileError`."""
    if not embeds and not settings.flag("attention.causal", True):
        return "has attention to later tokens (attention.causal is false)"
    known = _COMPUTED | family.further_settings
    for key, value in settings.items():
        if key not in known and _CHANGES_RESULTS.fullmatch(key) and not _has_no_effect(settings, key, value):
            return f"has the setting {key[:80]} = {repr(value)[:40]}"
    return None


def _has_no_effect(settings: Settings, key: str, value: Any) -> bool:
    """Whether a setting is zero or empty, or for layers with a window what it is for all."""
    values = value if isinstance(value, list) else [value]
    return not any(values) or (key.endswith("_swa") and settings.get(key.removesuffix("_swa")) == value)
