"""Warnings at startup about valid settings that are probably mistakes."""

from collections.abc import Collection, Iterator

from forefront.cli.settings.config import did_you_mean
from forefront.gateway.keys.key_store import KeyStore, is_active
from forefront.wire.admin.records import Budget, Key


def find_warnings(store: KeyStore, priced: Collection[str], served: Collection[str]) -> Iterator[str]:
    """One line for each warning. `priced` and `served` are names of models. Raises `StoreError`."""
    keys = [key for key in store.list_keys() if is_active(key)]
    if not keys:
        yield "no key is valid, so every request is refused; `forefront keys create NAME` makes one"
    for model in priced:
        if model not in served:
            yield f"prices for `{model}`, which is not served{did_you_mean(model, served)}"
    projects = any(_in_money(project.budget) for project in store.list_projects())
    for model in served:
        if model not in priced and (projects or any(_in_money(key.budget) and _may_use(key, model) for key in keys)):
            yield f"`{model}` has no price: budgets in money do not limit it"


def _in_money(budget: Budget | None) -> bool:
    return budget is not None and budget.money is not None


def _may_use(key: Key, model: str) -> bool:
    return key.models is None or model in key.models
