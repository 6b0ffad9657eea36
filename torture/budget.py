"""Many concurrent requests against a budget for ten, sent to two servers that share a store."""

import asyncio
from collections import Counter

from forefront.cli.settings.sections import Config, PriceSettings
from forefront.gateway.keys.key_store import KeyStore
from forefront.wire.admin.records import Budget, NewKey
from tests.support.backends.instant import MODEL, PROMPT
from torture.client import Client
from torture.harness import Harness, entered
from torture.ledger_audit import audit_ledger, opened

_OUTPUT = 40
_FIT = 10
_BUDGETS = {
    "tokens": Budget(tokens=_FIT * (PROMPT + _OUTPUT), period="ever"),
    "money": Budget(money=_FIT * (PROMPT + _OUTPUT) / 1e6, period="day"),
}


async def run(harness: Harness) -> None:
    """200 requests, for a budget in tokens and one in money, on each store."""
    await asyncio.gather(*(_on(harness, kind, harness.count(200, minimum=20)) for kind in harness.stores))


async def _on(harness: Harness, kind: str, count: int) -> None:
    settings = Config(prices={MODEL: PriceSettings(input=1, output=1)})
    store, log = harness.new_store(kind), harness.new_folder() / "log"
    async with (
        entered(harness.nursery.serve(store, log, settings=settings, pause=0.001)) as one,
        entered(harness.nursery.serve(store, log, settings=settings, pause=0.001)) as other,
    ):
        for unit, budget in _BUDGETS.items():
            key = await asyncio.to_thread(_make_key, store, budget)
            jobs = (_ask((one, other)[number % 2].url, key) for number in range(count))
            statuses = Counter(await asyncio.gather(*jobs))
            found = ", ".join(f"{number} × {status}" for status, number in sorted(statuses.items()))
            exact = statuses == {200: _FIT, 403: count - _FIT}
            harness.report("budget", kind, f"{count} at once, {unit} for {_FIT}, two servers", found, good=exact)
    audit = await asyncio.to_thread(audit_ledger, store)
    found = f"{len(audit.rows)} rows, {audit.held} reservations left"
    good = len(audit.rows) == _FIT * len(_BUDGETS) and not audit.held and audit.days_agree
    harness.report("budget", kind, "the ledger afterwards", found, good=good)


async def _ask(url: str, key: str) -> int:
    messages = [{"role": "user", "content": "Hello"}]
    return (await Client(url, key).chat(model=MODEL, messages=messages, max_tokens=_OUTPUT)).status


def _make_key(store: str, budget: Budget) -> str:
    with opened(store) as database:
        return KeyStore(database).create(NewKey(name="ten", budget=budget)).key
