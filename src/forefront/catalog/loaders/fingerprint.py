"""The fingerprint of a served model: equal for servers that give equal answers to a seeded request."""

import hashlib
import json
from collections.abc import Iterable
from dataclasses import asdict
from pathlib import Path
from typing import Final

from forefront.catalog.loading.loaded_model import Build
from forefront.catalog.sources.source import ModelSource
from forefront.engine.model.model import ModelOptions

# Options without influence on an output.
_WITHOUT_INFLUENCE: Final = {
    "kv_cache_bytes",
    "contexts",
    "inter_token_latency",
    "first_token_latency",
    "speculation",
    "draft",
}
# Files of a directory, besides its weights, that affect outputs: graphs, tokenizer, configuration, template.
_SETTINGS: Final = ("*.json", "*.jinja", "openvino_*.xml", "openvino_*.bin")


def settings_files(source: ModelSource) -> list[Path]:
    """The files of a model beside its weights. A GGUF file has none."""
    if source.is_gguf:
        return []
    found: Iterable[Path] = (path for pattern in _SETTINGS for path in source.path.glob(pattern))
    return sorted(path for path in found if path.is_file())


def fingerprint(build: Build, settings_digest: str, options: ModelOptions, chat_template: str | None) -> str:
    """Changes with the weights, the versions in `build`, the model's other files, the options of computation, and the
    chat template that replaces the model's own."""
    computed = {name: value for name, value in asdict(options).items() if name not in _WITHOUT_INFLUENCE}
    parts = [build.weights, build.quantization, build.engine, settings_digest, computed, chat_template]
    return "fp_" + hashlib.sha256(json.dumps(parts, sort_keys=True).encode()).hexdigest()[:12]
