"""From `[models.NAME]` with `upstream` to a served model."""

import hashlib
import os
import time
from pathlib import Path
from urllib.parse import urlsplit

from forefront.catalog.loading.loaded_model import Build, LoadedModel
from forefront.catalog.sources.model_settings import ModelSettings
from forefront.cli.settings.errors import ConfigError, quoted_key
from forefront.tokenizer.errors import TokenizerError
from forefront.tokenizer.files.load import load_tokenizer, missing_files
from forefront.upstream.build import build_backend
from forefront.upstream.prompt_size import Counter
from forefront.upstream.spec import CONNECT_SECONDS, READ_SECONDS, UpstreamSpec
from forefront.upstream.upstream_key import read_upstream_key


def load_upstream(name: str, settings: ModelSettings) -> LoadedModel:
    """The model, ready to be started. Raises `ConfigError`. No connection is made."""
    spec = upstream_spec(name, settings)
    backend = build_backend(spec, _counter(name, settings))
    fingerprint = "fp_" + hashlib.sha256(spec.model.encode()).hexdigest()[:16]
    build = Build("unknown", "unknown", "unknown")
    capabilities = tuple(sorted(spec.capabilities))
    return LoadedModel(backend, int(time.time()), fingerprint, build, capabilities=capabilities)


def upstream_spec(name: str, settings: ModelSettings) -> UpstreamSpec:
    """The settings of an upstream, checked. Raises `ConfigError`."""
    place = f"models.{quoted_key(name)}"
    key = None
    if settings.upstream_key is not None:
        try:
            key = read_upstream_key(settings.upstream_key, os.environ)
        except ValueError as error:
            raise ConfigError(f"`{place}.upstream_key`: {error}") from None
    return UpstreamSpec(
        name=name,
        urls=tuple(_base_url(url, f"{place}.upstream") for url in settings.upstream_urls),
        model=settings.upstream_model or name,
        key=key,
        dialect=None if settings.dialect in (None, "auto") else settings.dialect,
        context_length=settings.context_length,
        capabilities=frozenset(settings.capabilities or ()),
        connect_seconds=settings.connect_seconds or CONNECT_SECONDS,
        read_seconds=settings.read_seconds or READ_SECONDS,
    )


def _base_url(url: str, setting: str) -> str:
    """The URL without a slash at its end. Its text may hold a password, so errors do not show it."""
    try:
        parts = urlsplit(url)
        valid = parts.scheme in ("http", "https") and bool(parts.hostname) and parts.port != 0
    except ValueError:
        valid = False
    if not valid or not url.isascii() or not url.isprintable() or " " in url:
        raise ConfigError(f"`{setting}` is not a URL such as http://gpu-1:8000/v1")
    if "@" in parts.netloc:
        raise ConfigError(f"`{setting}` must not hold a name or a password; use `upstream_key`")
    if parts.query or parts.fragment:
        raise ConfigError(f"`{setting}` must end before `/chat/completions`, without `?` and `#`")
    if parts.path.rstrip("/").endswith(("/chat/completions", "/completions")):
        raise ConfigError(f"`{setting}` must end before `/chat/completions`, such as http://gpu-1:8000/v1")
    return url.rstrip("/")


def _counter(name: str, settings: ModelSettings) -> Counter | None:
    """Counts tokens with the tokenizer of the settings. Raises `ConfigError`."""
    if settings.tokenizer is None:
        return None
    path = Path(settings.tokenizer).expanduser()
    setting = f"models.{quoted_key(name)}.tokenizer"
    if not path.is_dir() or missing_files(path):
        raise ConfigError(f"`{setting}`: {path} is no directory with a tokenizer")
    try:
        tokenizer = load_tokenizer(path)
    except (TokenizerError, RuntimeError, OSError) as error:
        raise ConfigError(f"`{setting}`: {path}: {error}") from None
    return lambda text: len(tokenizer.encode(text))
