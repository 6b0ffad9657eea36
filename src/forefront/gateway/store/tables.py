"""The schema of the store. A new store gets these tables at once. The migrations create the same schema, which a test
checks."""

from typing import Final

from sqlalchemy import (
    JSON,
    BigInteger,
    Boolean,
    Column,
    Float,
    ForeignKey,
    Index,
    Integer,
    LargeBinary,
    MetaData,
    String,
    Table,
)

# The last step of the migrations, which these tables correspond to.
REVISION: Final = "0001"
# Times are seconds since 1970 in UTC. Money is in billionths of the currency's unit, so that sums are exact.
metadata = MetaData()

# One row. `revision` grows with every change of keys or projects, so that servers detect a change by one number.
store_revision = Table(
    "store_revision",
    metadata,
    Column("id", Integer, primary_key=True),
    Column("revision", BigInteger, nullable=False),
)


def _limit_columns() -> list[Column[object]]:
    """Limits and a budget, of a key or a project. Null is no limit."""
    return [
        Column("requests_per_minute", Integer),
        Column("tokens_per_minute", BigInteger),
        Column("concurrency", Integer),
        Column("budget_tokens", BigInteger),
        Column("budget_nanos", BigInteger),
        Column("budget_period", String(8)),
    ]


projects = Table(
    "projects",
    metadata,
    Column("name", String(64), primary_key=True),
    Column("weight", Float, nullable=False),
    *_limit_columns(),
    Column("created_at", BigInteger, nullable=False),
)

api_keys = Table(
    "api_keys",
    metadata,
    Column("id", String(32), primary_key=True),
    Column("hash", String(64), nullable=False, unique=True),
    Column("name", String(128), nullable=False),
    Column("project", String(64), ForeignKey("projects.name"), nullable=False),
    Column("scopes", JSON, nullable=False),
    Column("models", JSON(none_as_null=True)),
    Column("expires_at", BigInteger),
    *_limit_columns(),
    Column("source", String(16), nullable=False),
    Column("created_at", BigInteger, nullable=False),
    Column("revoked_at", BigInteger),
)

completions = Table(
    "completions",
    metadata,
    Column("id", String(64), primary_key=True),
    Column("key_id", String(32), nullable=False),
    Column("project", String(64), nullable=False),
    Column("model", String(256), nullable=False),
    Column("status", String(16), nullable=False),
    Column("finish_reason", String(32)),
    Column("input_tokens", BigInteger, nullable=False),
    Column("cached_tokens", BigInteger, nullable=False),
    Column("output_tokens", BigInteger, nullable=False),
    Column("reasoning_tokens", BigInteger, nullable=False),
    Column("estimated", Boolean(create_constraint=False), nullable=False),
    Column("cost_nanos", BigInteger, nullable=False),
    Column("received_at", Float(53), nullable=False),
    Column("first_token_at", Float(53)),
    Column("finished_at", Float(53), nullable=False),
    Index("completions_finished_at", "finished_at"),
)

# Sums of `completions` by UTC day, written in the same transactions. Reports and daily budgets read these.
daily_usage = Table(
    "daily_usage",
    metadata,
    Column("day", String(10), primary_key=True),
    Column("key_id", String(32), primary_key=True),
    Column("project", String(64), primary_key=True),
    Column("model", String(256), primary_key=True),
    Column("requests", BigInteger, nullable=False),
    Column("input_tokens", BigInteger, nullable=False),
    Column("cached_tokens", BigInteger, nullable=False),
    Column("output_tokens", BigInteger, nullable=False),
    Column("reasoning_tokens", BigInteger, nullable=False),
    Column("cost_nanos", BigInteger, nullable=False),
    Column("estimated_requests", BigInteger, nullable=False),
    Index("daily_usage_key_id", "key_id", "day"),
    Index("daily_usage_project", "project", "day"),
)

# Sums of `daily_usage` by month, for each key and each project, written in the same transactions. Budgets read a row
# for each month: after years, the sum over all days would take too long inside a commit.
monthly_usage = Table(
    "monthly_usage",
    metadata,
    Column("subject_type", String(8), primary_key=True),  # "key" or "project"
    Column("subject_id", String(64), primary_key=True),
    Column("month", String(7), primary_key=True),
    Column("tokens", BigInteger, nullable=False),
    Column("cost_nanos", BigInteger, nullable=False),
    sqlite_with_rowid=False,
)

# The part of a budget that each server holds for its running requests. Rows of a dead server are deleted.
budget_leases = Table(
    "budget_leases",
    metadata,
    Column("id", String(64), primary_key=True),
    Column("server_id", String(32), nullable=False),
    Column("key_id", String(32), nullable=False),
    Column("project", String(64), nullable=False),
    Column("tokens", BigInteger, nullable=False),
    Column("cost_nanos", BigInteger, nullable=False),
    Index("budget_leases_key_id", "key_id"),
    Index("budget_leases_project", "project"),
)

# The running servers and their last heartbeats.
servers = Table(
    "servers",
    metadata,
    Column("id", String(32), primary_key=True),
    Column("host", String(256), nullable=False),
    Column("pid", BigInteger, nullable=False),
    Column("heartbeat_at", Float(53), nullable=False),
)

# Responses that are stored for clients. `depth` and `chain_size` are of the response with all that it continues:
# their number, and the bytes of their contents. `server_id` generates it, while `status` is `queued`. `input`, `output`
# and `response` are JSON, encrypted if there is an `encryption_key` (the key's name).
stored_responses = Table(
    "stored_responses",
    metadata,
    Column("id", String(64), primary_key=True),
    Column("project", String(64), ForeignKey("projects.name", ondelete="CASCADE"), nullable=False),
    Column("previous_id", String(64)),
    Column("conversation_id", String(64)),
    Column("depth", Integer, nullable=False),
    Column("chain_size", BigInteger, nullable=False),
    Column("background", Boolean(create_constraint=False), nullable=False),
    Column("status", String(16), nullable=False),
    Column("server_id", String(32)),
    Column("created_at", BigInteger, nullable=False),
    Column("expires_at", BigInteger, nullable=False),
    Column("size", BigInteger, nullable=False),
    Column("encryption_key", String(16)),
    Column("input", LargeBinary, nullable=False),
    Column("output", LargeBinary, nullable=False),
    Column("response", LargeBinary, nullable=False),
    Index("stored_responses_expires_at", "expires_at"),
    Index("stored_responses_created_at", "created_at"),
    Index("stored_responses_project", "project"),
)

# Conversations that are stored for clients. `items` and `size` are the number and the bytes of the items, with the
# metadata. `next_position` is that of the next item. `metadata` is JSON, encrypted as in `stored_responses`.
conversations = Table(
    "conversations",
    metadata,
    Column("id", String(64), primary_key=True),
    Column("project", String(64), ForeignKey("projects.name", ondelete="CASCADE"), nullable=False),
    Column("items", Integer, nullable=False),
    Column("size", BigInteger, nullable=False),
    Column("next_position", BigInteger, nullable=False),
    Column("created_at", BigInteger, nullable=False),
    Column("changed_at", BigInteger, nullable=False),
    Column("expires_at", BigInteger, nullable=False),
    Column("encryption_key", String(16)),
    Column("metadata", LargeBinary, nullable=False),
    Index("conversations_expires_at", "expires_at"),
    Index("conversations_changed_at", "changed_at"),
    Index("conversations_project", "project"),
)

# The items of conversations, in the order of their positions. `content` is JSON, encrypted as in `stored_responses`.
conversation_items = Table(
    "conversation_items",
    metadata,
    Column("conversation_id", String(64), ForeignKey("conversations.id", ondelete="CASCADE"), primary_key=True),
    Column("id", String(64), primary_key=True),
    Column("position", BigInteger, nullable=False),
    Column("size", BigInteger, nullable=False),
    Column("encryption_key", String(16)),
    Column("content", LargeBinary, nullable=False),
    Index("conversation_items_position", "conversation_id", "position"),
)

# The numbers of each project's stored responses and conversations, and the bytes of both, written in the same
# transactions.
stored_sizes = Table(
    "stored_sizes",
    metadata,
    Column("project", String(64), ForeignKey("projects.name", ondelete="CASCADE"), primary_key=True),
    Column("responses", BigInteger, nullable=False),
    Column("conversations", BigInteger, nullable=False),
    Column("bytes", BigInteger, nullable=False),
)
