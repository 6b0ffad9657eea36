"""`[models.NAME]` in `forefront.toml`: a model by its files or by its upstream server."""

import re
from typing import Annotated, Final, Literal

import msgspec
from msgspec import Meta

EngineName = Literal["auto", "forefront", "llama.cpp", "vllm", "sglang"]
DialectName = Literal["auto", "forefront", "vllm", "sglang", "llama.cpp", "ollama", "ovms", "openai", "generic"]
Capability = Literal["images", "audio", "files"]
NonEmptyText = Annotated[str, Meta(min_length=1)]

_UNITS: Final = {"s": 1, "m": 60, "h": 3600, "d": 86_400}
_DURATION: Final = re.compile(r"([0-9]{1,6})([smhd])")
# Settings of only one kind of model. `fallback` and `context_length` belong to both.
_UPSTREAM_ONLY: Final = (
    *("upstream_model", "upstream_key", "dialect", "capabilities"),
    *("tokenizer", "connect_seconds", "read_seconds"),
)
_SOURCE_ONLY: Final = (
    *("engine", "engine_args", "keep", "chat_template", "quantize", "precision", "exact_activations"),
    *("device", "threads", "kv_cache_gib", "inter_token_seconds", "first_token_seconds", "speculation", "draft"),
)
_FOREFRONT_ONLY: Final = (
    *("quantize", "precision", "exact_activations"),
    *("inter_token_seconds", "first_token_seconds", "speculation", "draft"),
)


class ModelSettings(msgspec.Struct, kw_only=True, forbid_unknown_fields=True, frozen=True):
    """One model. Either `source` or `upstream` is set; None is a setting that the table does not have."""

    source: NonEmptyText | None = None
    engine: EngineName | None = None
    engine_args: list[str] | None = None
    keep: str | None = None
    context_length: Annotated[int, Meta(ge=1, le=2**24)] | None = None
    chat_template: NonEmptyText | None = None
    quantize: Literal["int8", "int4"] | None = None
    precision: Literal["f32", "bf16"] | None = None
    exact_activations: bool | None = None
    speculation: Literal["off", "ngram"] | None = None
    draft: NonEmptyText | None = None
    device: NonEmptyText | None = None
    threads: Annotated[int, Meta(ge=0, le=65535)] | None = None
    kv_cache_gib: Annotated[float, Meta(ge=0.01, le=4096)] | None = None
    inter_token_seconds: Annotated[float, Meta(ge=0.001, le=60)] | None = None
    first_token_seconds: Annotated[float, Meta(ge=0, le=86_400)] | None = None
    upstream: NonEmptyText | Annotated[list[NonEmptyText], Meta(min_length=1, max_length=64)] | None = None
    upstream_model: NonEmptyText | None = None
    upstream_key: Annotated[str, Meta(pattern=r"^(env:[A-Za-z_][A-Za-z0-9_]*|file:.+)$")] | None = None
    dialect: DialectName | None = None
    capabilities: list[Capability] | None = None
    tokenizer: NonEmptyText | None = None
    connect_seconds: Annotated[float, Meta(gt=0, le=86_400)] | None = None
    read_seconds: Annotated[float, Meta(gt=0, le=86_400)] | None = None
    fallback: list[str] | None = None

    @property
    def upstream_urls(self) -> list[str]:
        """The URLs of `upstream`, a single one as a list too."""
        return [self.upstream] if isinstance(self.upstream, str) else list(self.upstream or ())


def parse_keep(text: str) -> float | None:
    """The idle time in seconds after which a model is unloaded: of "30s", "10m", "2h", "1d" or "0". None for "always".

    Raises `ValueError`.
    """
    if text == "always":
        return None
    if text == "0":
        return 0.0
    match = _DURATION.fullmatch(text)
    if match is None:
        raise ValueError(f"{text!r} is not a time such as 30s, 10m or 2h, nor 0, nor always")
    return float(int(match[1]) * _UNITS[match[2]])


def find_conflict(settings: ModelSettings) -> tuple[str, str] | None:
    """The first setting that cannot be combined with the others, and the reason as the end of a sentence."""
    if settings.source is None and settings.upstream is None:
        return "source", "is missing: a model has either `source` or `upstream`"
    if settings.source is not None and settings.upstream is not None:
        return "upstream", "cannot be combined with `source`: a model has one of them"
    others, kind = (_SOURCE_ONLY, "upstream") if settings.source is None else (_UPSTREAM_ONLY, "source")
    for name in others:
        if getattr(settings, name) is not None:
            return name, f"cannot be combined with `{kind}`"
    engine = settings.engine or "auto"
    for name in _FOREFRONT_ONLY:
        if engine not in ("auto", "forefront") and getattr(settings, name) is not None:
            return name, f"cannot be combined with the engine {engine}"
    if settings.engine_args is not None and engine in ("auto", "forefront"):
        return "engine_args", "needs an `engine` with arguments: llama.cpp, vllm or sglang"
    if settings.keep is not None:
        try:
            parse_keep(settings.keep)
        except ValueError as error:
            return "keep", f": {error}"
    return None
