"""Warnings at startup about settings with unintended effects."""

import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from forefront.cli.serving.startup_warnings import find_warnings
from forefront.gateway.keys.key_store import KeyStore
from forefront.gateway.store.database import default_url, open_database
from forefront.wire.admin.records import Budget, NewKey, ProjectSettings
from tests.support.server import run_server

MONEY = Budget(money=5)
UNLIMITED = "`tiny` has no price: budgets in money do not limit it"


@pytest.fixture
def store(tmp_path: Path) -> Iterator[KeyStore]:
    """The store of a server whose home is `tmp_path / "home"`, with one key."""
    database = open_database(default_url(tmp_path / "home"))
    keys = KeyStore(database)
    keys.create(NewKey(name="plain"))
    yield keys
    database.close()


def test_consistent_settings_have_no_warnings(store: KeyStore) -> None:
    assert list(find_warnings(store, [], ["tiny"])) == []
    store.create(NewKey(name="tokens", budget=Budget(tokens=5)))
    assert list(find_warnings(store, [], ["tiny"])) == []
    store.create(NewKey(name="money", budget=MONEY))
    assert list(find_warnings(store, ["tiny"], ["tiny"])) == []


def test_a_budget_in_money_of_a_key_needs_a_price(store: KeyStore) -> None:
    made = store.create(NewKey(name="money", budget=MONEY))
    assert list(find_warnings(store, ["other"], ["other", "tiny"])) == [UNLIMITED]
    store.revoke(made.id)
    assert list(find_warnings(store, [], ["tiny"])) == []
    store.create(NewKey(name="expired", budget=MONEY, expires=int(time.time()) - 5))
    store.create(NewKey(name="elsewhere", budget=MONEY, models=["other"]))
    assert list(find_warnings(store, ["other"], ["other", "tiny"])) == []


def test_a_budget_in_money_of_a_project_needs_a_price(store: KeyStore) -> None:
    store.set_project("default", ProjectSettings(budget=MONEY))
    assert list(find_warnings(store, [], ["tiny"])) == [UNLIMITED]


def test_prices_of_a_model_that_is_not_served(store: KeyStore) -> None:
    assert list(find_warnings(store, ["forefront-mni", "x"], ["forefront-mini"])) == [
        "prices for `forefront-mni`, which is not served; did you mean `forefront-mini`?",
        "prices for `x`, which is not served",
    ]


def test_a_server_warns_at_start(tiny_gguf: Path, tmp_path: Path, store: KeyStore) -> None:
    for key in store.list_keys():
        store.revoke(key.id)
    store.set_project("shop", ProjectSettings(budget=MONEY))
    path = tmp_path / "forefront.toml"
    path.write_text("[prices.tinny]\ninput = 1\n")
    variables = {"FOREFRONT_LOG_LEVLE": "debug"}
    arguments = [str(tiny_gguf), "--config", str(path)]
    with run_server(arguments, tmp_path / "home", key=None, environment=variables) as server:
        lines = server.log.read_text().splitlines()
    warnings = [line.partition("WARNING forefront.cli.commands.serve: ")[2] for line in lines if " WARNING " in line]
    assert warnings == [
        "the environment variable `FOREFRONT_LOG_LEVLE` is not known; did you mean `FOREFRONT_LOG_LEVEL`?",
        "no key is valid, so every request is refused; `forefront keys create NAME` makes one",
        "prices for `tinny`, which is not served; did you mean `tiny`?",
        UNLIMITED,
    ]
