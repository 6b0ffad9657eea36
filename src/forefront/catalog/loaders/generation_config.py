"""The tokens that end an answer, as a model directory declares them."""

from pathlib import Path

from forefront.catalog.model_cache import read_json
from forefront.catalog.sources.source import SourceError


def declared_end_tokens(directory: Path) -> frozenset[int]:
    """Those of `generation_config.json`, or of `config.json` where it has none. Raises `SourceError`."""
    ends = read_json(directory / "generation_config.json").get("eos_token_id")
    ends = read_json(directory / "config.json").get("eos_token_id") if ends is None else ends
    ends = ends if isinstance(ends, list) else [] if ends is None else [ends]
    if not all(type(token) is int for token in ends):
        raise SourceError(f"{directory}: the tokens that end an answer are not all numbers")
    return frozenset(ends)
