"""The models of a request: the requested one, and its fallbacks."""

import logging
from collections.abc import Collection, Iterator
from typing import Final
from urllib.parse import quote

from forefront.catalog.catalog import Catalog, ModelUse, ServedModel
from forefront.gateway.gateway import Gateway
from forefront.gateway.request_lease import Lease
from forefront.wire.errors import RequestError

log = logging.getLogger(__name__)

SERVED_BY: Final = "x-forefront-served-by"
_SAFE: Final = "/:@._-$"  # in the header; the rest of a name is percent-encoded
# Failures of a model. Every other error is independent of the model.
_MODEL_FAILURES: Final = frozenset(
    {"upstream_unavailable", "upstream_failed", "overloaded", "model_unavailable", "engine_failed"}
)


class FallbackModels:
    """Moves a request to the next model. `use` is the use of the current model, at first the requested one. `others`
    are its fallbacks."""

    def __init__(self, use: ModelUse, others: Iterator[ServedModel], gateway: Gateway, lease: Lease) -> None:
        self.use = use
        self._others = others
        self._gateway = gateway
        self._lease = lease
        self._failure: RequestError | None = None

    def headers(self) -> dict[str, str]:
        """The header that names the model which answers in place of the requested one."""
        return {} if self.use.fallback is None else {SERVED_BY: quote(self.use.fallback, safe=_SAFE)}

    def fall_back(self, error: RequestError) -> None:
        """Move to the next model. Raises the error of the requested model if there is none, or if `error` is not a
        failure of that model."""
        if self._failure is None:
            if error.code not in _MODEL_FAILURES:
                raise error
            self._failure = error
        model = next(self._others, None)
        if model is None:
            raise self._failure
        log.info("%s falls back to %s: %s", self.use.name, model.name, error.code)
        self.use.switch(model)
        self._gateway.switch(self._lease, model.name)


def fallbacks_of(catalog: Catalog, model: ServedModel, allowed: Collection[str] | None) -> Iterator[ServedModel]:
    """The fallbacks of the model in their order, each followed by its own, among those that the key may use."""
    seen, names = {model.name}, list(model.fallback)
    while names:
        name = names.pop(0)
        found = None if name in seen else catalog.find(name)
        seen.add(name)
        if found is not None:
            names = [*found.fallback, *names]
            if allowed is None or name in allowed:
                yield found
