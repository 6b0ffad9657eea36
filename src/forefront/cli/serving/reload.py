"""New settings for a running server: on SIGHUP, and over `POST /admin/reload`."""

import asyncio
import logging
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import msgspec

from forefront.catalog.catalog import Catalog, ServedModel
from forefront.catalog.sources.model_settings import EngineName
from forefront.catalog.sources.source import SourceError
from forefront.chat.local.loading import DeviceError, ModelOptions
from forefront.cli.loaders.model_loaders import check_pinned_memory, make_model, memory_limit
from forefront.cli.settings.errors import ConfigError
from forefront.cli.settings.model_list import ConfiguredModel, list_models
from forefront.cli.settings.sections import Config
from forefront.cli.settings.variables import sections, tables
from forefront.gateway.gateway import Gateway
from forefront.gateway.ledger.pricing import Price, PriceList
from forefront.wire.admin.records import Reload
from forefront.wire.errors import RequestError

if TYPE_CHECKING:
    from forefront.cli.loaders.cluster_models import ClusterModels

log = logging.getLogger(__name__)

# Settings that a running server can change, besides the tables of models and prices.
_APPLIED: Final = frozenset(
    {"queue.running", "queue.waiting", "log.level", "loading.memory_gib", "loading.minimum_seconds"}
)


@dataclass(frozen=True, slots=True)
class SettingsSource:
    """Where the settings of a server come from. `read` reads file and environment again; the rest is of the command
    line. All of it raises `ConfigError`, `SourceError` and `DeviceError`."""

    read: Callable[[], Config]
    arguments: Sequence[str]
    options: ModelOptions
    chat_template: str | None
    home: Path
    engine: EngineName = "auto"
    cluster: "ClusterModels | None" = None

    def list_models(self, settings: Config) -> list[ConfiguredModel]:
        """The models of the command line and of these settings."""
        return list_models(self.arguments, settings.models, self.options, self.chat_template, self.engine)


@dataclass(frozen=True, slots=True)
class _NewSettings:
    settings: Config
    configured: dict[str, ConfiguredModel]
    made: dict[str, ServedModel]


class Reloader:
    """Applies new settings, all of them or none. `configured` are the models that are served at first."""

    def __init__(
        self,
        source: SettingsSource,
        settings: Config,
        configured: Sequence[ConfiguredModel],
        catalog: Catalog,
        gateway: Gateway,
    ) -> None:
        self._source = source
        self._settings = settings
        self._configured = {model.name: model for model in configured}
        self._catalog = catalog
        self._gateway = gateway
        self._lock = asyncio.Lock()
        self._signals: set[asyncio.Task[None]] = set()

    async def __call__(self) -> Reload:
        """Read the settings again and apply them. Raises `RequestError` with the text of a start for invalid ones,
        which change nothing."""
        async with self._lock:
            try:
                new = await asyncio.to_thread(self._read)
            except (ConfigError, SourceError, DeviceError, OSError) as error:
                log.error("the settings are not reloaded: %s", error)
                raise RequestError("invalid_value", str(error)) from None
            result = self._apply(new)
        log.info("reloaded the settings: %s", _summary(result))
        if result.needs_restart:
            log.warning("these settings need a restart: %s", ", ".join(result.needs_restart))
        return result

    def on_signal(self) -> None:
        """Reload in a task."""
        task = asyncio.get_running_loop().create_task(self._logged())
        self._signals.add(task)
        task.add_done_callback(self._signals.discard)

    async def _logged(self) -> None:
        try:
            await self()
        except RequestError:
            pass  # already logged
        except Exception:
            log.exception("the settings are not reloaded")

    def _read(self) -> _NewSettings:
        settings = self._source.read()
        configured = {model.name: model for model in self._source.list_models(settings)}
        made = {
            name: make_model(model, self._source.home, self._source.cluster)
            for name, model in configured.items()
            if model != self._configured.get(name) or _reads_key_file(model)
        }
        served = {model.name: model for model in self._catalog} | made
        check_pinned_memory([served[name] for name in configured], memory_limit(settings.loading))
        return _NewSettings(settings, configured, made)

    def _apply(self, new: _NewSettings) -> Reload:
        before = {model.name: model for model in self._catalog}
        for name, model in new.made.items():
            old = before.get(name)
            model.required = model.pinned or (old is not None and old.loaded is not None)
        loading = new.settings.loading
        served = [new.made.get(name) or before[name] for name in new.configured]
        self._catalog.replace(served, memory_limit(loading), loading.minimum_seconds)
        self._gateway.prices = price_list(new.settings)
        self._gateway.queue.resize(new.settings.queue.running, new.settings.queue.waiting)
        logging.getLogger().setLevel(new.settings.log.level.upper())
        changed = _changed_settings(self._settings, new.settings)
        self._configured = new.configured
        self._take_over(new.settings)
        return Reload(
            added=[name for name in new.made if name not in before],
            changed=[name for name in new.made if name in before],
            removed=[name for name in before if name not in new.configured],
            settings=[name for name in changed if name in _APPLIED or name.partition(".")[0] == "prices"],
            needs_restart=[name for name in changed if name not in _APPLIED and name.partition(".")[0] != "prices"],
        )

    def _take_over(self, new: Config) -> None:
        """The settings in effect: those that need a restart keep their values."""
        settings = self._settings
        settings.models, settings.prices = new.models, new.prices
        settings.queue, settings.loading = new.queue, new.loading
        settings.log.level = new.log.level


def price_list(settings: Config) -> PriceList:
    """The prices of all models."""
    return PriceList(
        {name: Price.per_million(price.input, price.output, price.cached) for name, price in settings.prices.items()}
    )


def _reads_key_file(model: ConfiguredModel) -> bool:
    """Whether the key of an upstream may have changed although its settings have not."""
    return (model.settings.upstream_key or "").startswith("file:")


def _changed_settings(old: Config, new: Config) -> list[str]:
    """The names of settings that differ, apart from models."""
    changed = []
    named = tables()
    for section, kind in sections():
        before, after = getattr(old, section), getattr(new, section)
        if section == "models":
            continue
        names = {**before, **after} if section in named else kind.__struct_fields__
        changed += [f"{section}.{name}" for name in names if _value(before, name) != _value(after, name)]
    return changed


def _value(values: msgspec.Struct | Mapping[str, Any], name: str) -> Any:
    return values.get(name) if isinstance(values, Mapping) else getattr(values, name)


def _summary(result: Reload) -> str:
    parts = [
        f"{title} {', '.join(names)}"
        for title, names in (
            ("added", result.added),
            ("changed", result.changed),
            ("removed", result.removed),
            ("set", result.settings),
        )
        if names
    ]
    return "; ".join(parts) or "nothing has changed"
