"""From the settings of models to the catalogue."""

from pathlib import Path

import pytest

from forefront.catalog.model_settings import ModelSettings
from forefront.chat.local.loading import ModelOptions
from forefront.cli.model_loaders import make_model
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
