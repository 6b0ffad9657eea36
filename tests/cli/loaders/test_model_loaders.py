"""From the settings of models to the catalogue."""

from dataclasses import replace
from pathlib import Path

import pytest

from forefront.catalog.sources.model_settings import ModelSettings
from forefront.chat.local.loading import ModelOptions
from forefront.cli.loaders.model_loaders import make_model
from forefront.cli.settings.model_list import list_models


@pytest.mark.parametrize("kind", ["upstream", "source"])
def test_models_of_every_kind_have_their_fallbacks(tmp_path: Path, tiny_gguf: Path, kind: str) -> None:
    others = {"upstream": {"upstream": "http://gpu-1:8000/v1"}, "source": {"source": str(tiny_gguf)}}
    tables = {
        "big": ModelSettings(**others[kind], fallback=["small"]),  # type: ignore[arg-type]
        "small": ModelSettings(upstream="http://gpu-2:8000/v1"),
    }
    big, small = (make_model(configured, tmp_path) for configured in list_models([], tables, ModelOptions()))
    assert (big.fallback, small.fallback) == (("small",), ())


def test_a_draft_model_counts_with_its_part_of_the_kv_cache(tmp_path: Path, tiny_gguf: Path) -> None:
    options = ModelOptions(kv_cache_bytes=2**20)
    drafting, own, share = (
        make_model(list_models([str(tiny_gguf)], {}, replace(options, **changes))[0], tmp_path).memory_bytes
        for changes in ({"draft": str(tiny_gguf)}, {}, {"kv_cache_bytes": 2**17})
    )
    assert drafting == own + share < 2 * own
