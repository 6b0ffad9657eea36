"""Single completions of long ago, deleted; the sums of days and months stay, and with them reports and budgets."""

import time
from collections.abc import Callable
from datetime import UTC, date, datetime

import sqlalchemy as sa

from forefront.gateway.store.database import Database
from forefront.gateway.store.tables import completions

# Rows at a time: servers wait for their turn to write meanwhile, for some hundredths of a second.
_GROUP = 500
_PAUSE = 0.01  # seconds at least


def count_before(database: Database, day: date) -> int:
    """How many completions ended before that day (UTC). Raises `StoreError`."""
    query = sa.select(sa.func.count()).where(completions.c.finished < _begin(day))
    with database.read(patient=True) as connection:
        return int(connection.execute(query).scalar_one())


def delete_before(database: Database, day: date, tell: Callable[[int], object] = bool) -> int:
    """Delete the completions that ended before that day (UTC), the oldest first; how many. Raises `StoreError`.

    Each group is a transaction, and servers have as long to write between two of them as a group took. `tell` is told
    how many have been deleted. Broken off, it can be begun again.
    """
    oldest = sa.select(completions.c.id).where(completions.c.finished < _begin(day))
    group = oldest.order_by(completions.c.finished).limit(_GROUP)
    count = 0
    while True:
        begin = time.monotonic()
        with database.write() as connection:
            deleted = connection.execute(sa.delete(completions).where(completions.c.id.in_(group))).rowcount
        count += deleted
        tell(count)
        if deleted < _GROUP:
            return count
        time.sleep(max(time.monotonic() - begin, _PAUSE))


def _begin(day: date) -> float:
    return datetime(day.year, day.month, day.day, tzinfo=UTC).timestamp()
