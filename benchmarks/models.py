"""Models of real size with random weights, whose values do not affect the speed."""

from pathlib import Path
from typing import Any

from forefront.catalog.gguf_model import GgufModel
from forefront.catalog.model_cache import ModelCache
from forefront.catalog.source import ModelSource
from forefront.chat.local.loading import ModelParts
from tests.support.random_model import write_random_gguf

FOLDER = Path(__file__).parent / "models"
CONTEXT = 8192

SIZES: dict[str, dict[str, Any]] = {
    "0.1b": {"d_model": 576, "layers": 30, "heads": 9, "kv_heads": 3, "ffn": 1536},
    "0.4b": {"d_model": 896, "layers": 24, "heads": 14, "kv_heads": 2, "ffn": 4864},
}


def prepare(size: str, quant: str) -> tuple[Path, ModelParts]:
    """The GGUF file of that size, written on first use, and its model."""
    FOLDER.mkdir(exist_ok=True)
    path = FOLDER / f"random-{size}-{quant}.gguf"
    if not path.exists():
        print(f"Writing {path.name} (once) ...", flush=True)
        write_random_gguf(path, vocab_size=32768, context=CONTEXT, quant=quant, **SIZES[size])
    model = GgufModel(ModelSource(path.stem, path), ModelCache(FOLDER / "home"), exact=False)
    parts, _ = model.load()
    assert isinstance(parts, ModelParts)
    return path, parts
