"""A month of a server's life for the dashboard: keys, projects, budgets, and rows of the ledger."""

import math
import random
import time
from typing import Any, Final

import httpx

from forefront.gateway.ledger.settlement import LedgerRow, write_rows
from forefront.gateway.store.database import open_database

KEYS: Final[list[dict[str, Any]]] = [
    {
        "name": "mobile app",
        "project": "shop",
        "limits": {"requests_per_minute": 600, "concurrency": 20},
        "budget": {"tokens": 900_000, "period": "day"},
    },
    {"name": "search backend", "project": "shop"},
    {"name": "notebooks of the research team", "project": "research", "budget": {"money": 8, "period": "month"}},
    {"name": "prometheus", "scopes": ["metrics"]},
]
SHOP: Final = {
    "weight": 2,
    "budget": {"tokens": 30_000_000, "money": 40, "period": "month"},
    "limits": {"tokens_per_minute": 100_000},
}


def make_keys(admin: httpx.Client) -> list[dict[str, Any]]:
    """Make the keys, one more that is revoked, and the project with a budget. Returns the keys with their texts."""
    made = [admin.post("/admin/keys", json=key).json() for key in KEYS]
    old = admin.post("/admin/keys", json={"name": "old laptop"}).json()
    admin.delete(f"/admin/keys/{old['id']}")
    admin.put("/admin/projects/shop", json=SHOP)
    return made


def fill_ledger(url: str, keys: list[dict[str, Any]], models: tuple[str, str], days: int = 29) -> None:
    """Write a row for about every fourth minute: more in the day than in the night, and a few that failed."""
    rng, now = random.Random(3), time.time()
    rows: list[LedgerRow] = []
    for minute in range(0, days * 1440, 7):
        end = now - minute * 60 - rng.random() * 200
        busy = 1 + 0.8 * math.sin(end % 86_400 / 86_400 * math.tau - 1.5)
        for place, key in enumerate(keys[:3]):
            if rng.random() < 0.5 * busy:
                model = models[0] if place < 2 else models[1]
                rows.append(_row(rng, f"chatcmpl-{len(rows):06}", key, model, end))
    database = open_database(url)
    with database.write() as connection:
        write_rows(connection, rows, retry=False)
    database.close()


def _row(rng: random.Random, name: str, key: dict[str, Any], model: str, end: float) -> LedgerRow:
    prompt, output, failed = rng.randint(200, 2500), rng.randint(20, 500), rng.random() < 0.03
    first, between = rng.lognormvariate(-1.2, 0.4), rng.lognormvariate(-4, 0.2)
    started = end - output * between
    return LedgerRow(
        id=name,
        key_id=key["id"],
        project=key["project"],
        model=model,
        status="failed" if failed else "completed",
        finish_reason=None if failed else "stop",
        input_tokens=prompt,
        cached_tokens=int(prompt * rng.uniform(0.2, 0.8)),
        output_tokens=output,
        reasoning_tokens=0,
        cost_nanos=0 if failed else prompt * 500 + output * 1500,
        received_at=started - first,
        first_token_at=started,
        finished_at=end,
    )
