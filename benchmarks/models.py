"""Models of real size with random weights, whose values do not affect the speed, and one real model.

Everything that is built or downloaded for benchmarks is kept in `CACHE`, from one checkout to the next.
"""

import os
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from benchmarks.load.successor import write_successor_model
from forefront.catalog.loaders.gguf_model import GgufModel
from forefront.catalog.model_cache import ModelCache
from forefront.catalog.sources.source import ModelSource
from forefront.chat.local.loading import ModelParts
from tests.support.models.random_model import write_random_gguf
from tests.support.models.smollm2 import smollm2_file

CACHE: Final = Path(os.environ.get("XDG_CACHE_HOME") or "~/.cache").expanduser() / "forefront-benchmarks"
FOLDER: Final = CACHE / "models"
CONTEXT: Final = 8192
VOCABULARY: Final = 32768
END_TOKEN: Final = 2
"""The end token of every model here, which requests rule out so that all answers have the same length."""

SIZES: Final[dict[str, dict[str, Any]]] = {
    "tiny": {"d_model": 128, "layers": 2, "heads": 2, "kv_heads": 1, "ffn": 256},
    "0.1b": {"d_model": 576, "layers": 30, "heads": 9, "kv_heads": 3, "ffn": 1536},
    "0.4b": {"d_model": 896, "layers": 24, "heads": 14, "kv_heads": 2, "ffn": 4864},
}
REAL: Final = "smollm2"


@dataclass(frozen=True, slots=True)
class BenchmarkModel:
    """A model to serve. `successor`: the file of the same size whose output quotes its prompt (`load/successor.py`);
    None for a real model, which quotes when it is prompted to."""

    name: str
    path: Path
    successor: Path | None = None

    @property
    def is_real(self) -> bool:
        """Whether its answers mean something."""
        return self.name == REAL


def find_model(name: str) -> BenchmarkModel:
    """The model `SIZE-QUANTISATION`, or `smollm2`; written or downloaded on first use."""
    if name == REAL:
        return BenchmarkModel(name, smollm2_file())
    size, _, quant = name.partition("-")
    path = write_model(size, quant)
    return BenchmarkModel(name, path, write_successor_model(path))


def write_model(size: str, quant: str) -> Path:
    """The random GGUF file of that size, written on first use."""
    FOLDER.mkdir(parents=True, exist_ok=True)
    path = FOLDER / f"random-{size}-{quant}.gguf"
    if not path.exists():
        print(f"Writing {path.name} (once) ...", flush=True)
        part = path.with_suffix(f".{os.getpid()}")
        write_random_gguf(part, vocab_size=VOCABULARY, context=CONTEXT, quant=quant, **SIZES[size])
        part.rename(path)
    return path


def load_parts(path: Path) -> ModelParts:
    """The graph and the tokenizer of a GGUF file, packed on first use."""
    model = GgufModel(ModelSource(path.stem, path), ModelCache(FOLDER / "home"), exact=False)
    parts, _ = model.load()
    assert isinstance(parts, ModelParts)
    return parts


def prepare(size: str, quant: str) -> tuple[Path, ModelParts]:
    """The random GGUF file of that size and its model."""
    path = write_model(size, quant)
    return path, load_parts(path)
