"""Models as the catalogue reads them, and the same model in OpenVINO's IR form."""

import json
from collections.abc import Callable
from contextlib import AbstractContextManager, nullcontext
from pathlib import Path

import forefront.engine.model.openvino_import  # noqa: F401 - first, because it keeps OpenVINO from reporting
from forefront.catalog.loaders.gguf_model import GgufModel
from forefront.catalog.model_cache import ModelCache
from forefront.catalog.sources.source import ModelSource
from forefront.chat.local.loading import ModelParts
from forefront.graph.build import BuiltGraph, build_graph
from forefront.graph.gguf.gguf_file import GgufFile

# isort: split
import openvino_genai


class Silent:
    """A `Progress` that shows nothing."""

    def step(self, title: str) -> AbstractContextManager[None]:
        return nullcontext()

    def download(self, title: str, size: int) -> AbstractContextManager[Callable[[int], None]]:
        return nullcontext(lambda _: None)


def load_parts(path: Path, home: Path, *, exact: bool = True) -> ModelParts:
    """The graph, tokenizer and facts of a GGUF file."""
    parts = GgufModel(ModelSource(path.stem, path), ModelCache(home), exact=exact).load()[0]
    assert isinstance(parts, ModelParts)
    return parts


def build(path: Path, cache: Path, *, exact: bool = True) -> BuiltGraph:
    """The graph of a GGUF file alone, which needs no tokenizer."""
    cache.mkdir(exist_ok=True)
    return build_graph(GgufFile(path), cache, exact=exact)


def write_ir(path: Path, directory: Path, *, context: int, end: int) -> Path:
    """A GGUF file of architecture "llama" as OpenVINO IR, as other tools export it."""
    link = directory / "model.gguf"
    link.symlink_to(path)
    openvino_genai.LLMPipeline(str(link), "CPU", enable_save_ov_model=True)
    link.unlink()
    (directory / "config.json").write_text(json.dumps({"max_position_embeddings": context}))
    (directory / "generation_config.json").write_text(json.dumps({"eos_token_id": end}))
    return directory
