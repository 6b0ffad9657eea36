"""Deletion of old completions, stored responses and conversations. Sums by day and month stay, for reports and
budgets."""

import time
from collections.abc import Callable
from datetime import UTC, date, datetime

import sqlalchemy as sa

from forefront.gateway.store.conversation_store import BATCH as CONVERSATIONS_BATCH
from forefront.gateway.store.conversation_store import delete_conversations
from forefront.gateway.store.database import Database
from forefront.gateway.store.response_store import BATCH as RESPONSES_BATCH
from forefront.gateway.store.response_store import delete_responses
from forefront.gateway.store.tables import completions, conversations, stored_responses

# Rows in one transaction. Servers wait some hundredths of a second for it.
_BATCH = 500
_MIN_PAUSE = 0.01  # seconds


def count_completions_before(database: Database, day: date) -> int:
    """The number of completions that finished before that day (UTC). Raises `StoreError`."""
    query = sa.select(sa.func.count()).where(completions.c.finished_at < _start_of(day))
    with database.read(statement_timeout=False) as connection:
        return int(connection.execute(query).scalar_one())


def delete_completions_before(database: Database, day: date, progress: Callable[[int], object] = bool) -> int:
    """Delete the completions that finished before that day (UTC), oldest first. Returns their number.

    Each batch is a transaction. The pause after a batch is as long as the batch, so that servers can write. `progress`
    receives the number of deleted rows. An interrupted deletion can be repeated. Raises `StoreError`.
    """
    oldest = sa.select(completions.c.id).where(completions.c.finished_at < _start_of(day))
    batch = oldest.order_by(completions.c.finished_at).limit(_BATCH)

    def delete() -> int:
        with database.write() as connection:
            return connection.execute(sa.delete(completions).where(completions.c.id.in_(batch))).rowcount

    return _delete_in_batches(delete, _BATCH, progress)


def count_responses_before(database: Database, day: date) -> int:
    """The number of responses that were stored before that day (UTC). Raises `StoreError`."""
    query = sa.select(sa.func.count()).where(stored_responses.c.created_at < _start_of(day))
    with database.read(statement_timeout=False) as connection:
        return int(connection.execute(query).scalar_one())


def delete_responses_before(database: Database, day: date, progress: Callable[[int], object] = bool) -> int:
    """Delete the responses that were stored before that day (UTC), as `delete_completions_before` does."""
    before = stored_responses.c.created_at < _start_of(day)
    return _delete_in_batches(lambda: delete_responses(database, before, RESPONSES_BATCH), RESPONSES_BATCH, progress)


def count_conversations_before(database: Database, day: date) -> int:
    """The number of conversations without a change since that day (UTC). Raises `StoreError`."""
    query = sa.select(sa.func.count()).where(conversations.c.changed_at < _start_of(day))
    with database.read(statement_timeout=False) as connection:
        return int(connection.execute(query).scalar_one())


def delete_conversations_before(database: Database, day: date, progress: Callable[[int], object] = bool) -> int:
    """Delete the conversations without a change since that day (UTC), as `delete_completions_before` does."""
    before = conversations.c.changed_at < _start_of(day)
    return _delete_in_batches(
        lambda: delete_conversations(database, before, CONVERSATIONS_BATCH), CONVERSATIONS_BATCH, progress
    )


def _delete_in_batches(delete: Callable[[], int], batch: int, progress: Callable[[int], object]) -> int:
    count = 0
    while True:
        begin = time.monotonic()
        deleted = delete()
        count += deleted
        progress(count)
        if deleted < batch:
            return count
        time.sleep(max(time.monotonic() - begin, _MIN_PAUSE))


def _start_of(day: date) -> float:
    return datetime(day.year, day.month, day.day, tzinfo=UTC).timestamp()
