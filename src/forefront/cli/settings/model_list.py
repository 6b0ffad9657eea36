"""The models of a server: those of the command line, then those of `forefront.toml`."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from graphlib import CycleError, TopologicalSorter

from forefront.catalog.sources.model_settings import EngineName, ModelSettings
from forefront.catalog.sources.source import BUILT_IN_NAME, ModelSource, SourceError, find_source, parse_source
from forefront.catalog.sources.template_override import read_chat_template
from forefront.chat.local.loading import ModelOptions, find_device
from forefront.cli.settings.errors import ConfigError, did_you_mean, quoted_key


@dataclass(frozen=True, slots=True)
class ConfiguredModel:
    """A model to serve.

    `source` is None for an upstream. `options`, `chat_template` and `engine` are those of the command, overridden by
    the model's table. `on_command_line`: the command line names it.
    """

    name: str
    settings: ModelSettings
    source: ModelSource | None
    options: ModelOptions
    chat_template: str | None
    on_command_line: bool
    engine: EngineName = "auto"


def list_models(
    arguments: Sequence[str],
    tables: Mapping[str, ModelSettings],
    options: ModelOptions,
    chat_template: str | None = None,
    engine: EngineName = "auto",
) -> list[ConfiguredModel]:
    """The models in their order; the first is the default. The built-in model if there is no other.

    An argument that is the name of a table selects that model. `options`, `chat_template` and `engine` apply to
    models whose tables do not set them. Raises `ConfigError`, `SourceError` and `DeviceError`.
    """
    selected = [text for text in arguments if text in tables]
    models = [
        _from_table(text, tables[text], options, chat_template, on_command_line=True)
        if text in tables
        else _from_argument(parse_source(text), options, chat_template)
        for text in arguments or ([] if tables else [BUILT_IN_NAME])
    ]
    for name, settings in tables.items():
        if name not in selected:
            models.append(_from_table(name, settings, options, chat_template, on_command_line=False))
    models = [replace(model, engine=model.settings.engine or engine) for model in models]
    _check_names([model.name for model in models])
    _check_drafts(models)
    _check_fallbacks({model.name: model.settings.fallback or [] for model in models})
    return models


def _from_argument(source: ModelSource, options: ModelOptions, chat_template: str | None) -> ConfiguredModel:
    settings = ModelSettings(source=str(source.path))
    return ConfiguredModel(source.name, settings, source, options, chat_template, on_command_line=True)


def _from_table(
    name: str, settings: ModelSettings, options: ModelOptions, chat_template: str | None, *, on_command_line: bool
) -> ConfiguredModel:
    try:
        source = None if settings.source is None else find_source(settings.source, name)
        if settings.chat_template is not None:
            chat_template = read_chat_template(settings.chat_template)
        options = _override(options, settings)
    except SourceError as error:
        raise SourceError(f"models.{quoted_key(name)}: {error}") from None
    return ConfiguredModel(name, settings, source, options, chat_template, on_command_line)


def _override(options: ModelOptions, settings: ModelSettings) -> ModelOptions:
    if settings.threads is not None:
        options = replace(options, threads=settings.threads)
    if settings.kv_cache_gib is not None:
        options = replace(options, kv_cache_bytes=int(settings.kv_cache_gib * 2**30))
    if settings.inter_token_seconds is not None:
        options = replace(options, inter_token_latency=settings.inter_token_seconds)
    if settings.first_token_seconds is not None:
        options = replace(options, first_token_latency=settings.first_token_seconds)
    if settings.precision is not None:
        options = replace(options, inference_precision=settings.precision)
    if settings.quantize is not None:
        options = replace(options, quantize_weights=settings.quantize)
    if settings.exact_activations is not None:
        options = replace(options, quantize_activations=not settings.exact_activations)
    if settings.speculation is not None:
        options = replace(options, speculation=settings.speculation)
    if settings.draft is not None:
        options = replace(options, draft=settings.draft)
    if settings.device is not None:
        options = replace(options, device=find_device(settings.device))
    return options


def _check_names(names: list[str]) -> None:
    for name in names:
        if not name.isprintable():
            raise SourceError(f"{name!r} cannot be the name of a model in requests; rename it with NAME=PATH")
        if names.count(name) > 1:
            raise SourceError(f"two models are named {name}; rename one with NAME=PATH")


def _check_drafts(models: Sequence[ConfiguredModel]) -> None:
    """Raises `ConfigError` for drafts with another engine, and for a draft model without speculation."""
    for model in models:
        if model.source is None:
            continue
        if model.engine not in ("auto", "forefront"):
            if model.settings.speculation is not None:
                raise ConfigError(f"{model.name}: `speculation` cannot be combined with the engine {model.engine}")
            if model.options.draft:
                text = "a draft model cannot be combined with the engine"
                raise ConfigError(f"{model.name}: {text} {model.engine}; set `draft` in the tables of other models")
        elif model.options.draft and model.options.speculation == "off":
            raise ConfigError(f"{model.name}: a draft model needs speculation; remove one of the settings")


def _check_fallbacks(fallbacks: Mapping[str, list[str]]) -> None:
    """Raises `ConfigError` for an unknown name, and for a model that is a fallback of itself through others."""
    for name, others in fallbacks.items():
        setting = f"`models.{quoted_key(name)}.fallback`"
        for other in others:
            if other not in fallbacks:
                raise ConfigError(f"{setting}: there is no model `{other}`{did_you_mean(other, fallbacks)}")
    try:
        TopologicalSorter(fallbacks).prepare()
    except CycleError as error:
        loop: list[str] = error.args[1]
        text = f"`models.{quoted_key(loop[0])}.fallback` leads back to the model: {', '.join(reversed(loop))}"
        raise ConfigError(text) from None
