"""The first schema: keys, projects, the ledger, its sums, budget leases, servers, stored responses and
conversations."""

import sqlalchemy as sa
from alembic import op

revision = "0001"
down_revision = None
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Create every table."""
    _create_key_tables()
    _create_ledger_tables()
    _create_server_tables()
    _create_response_tables()
    _create_conversation_tables()


def _limit_columns() -> list[sa.Column[object]]:
    return [
        sa.Column("requests_per_minute", sa.Integer),
        sa.Column("tokens_per_minute", sa.BigInteger),
        sa.Column("concurrency", sa.Integer),
        sa.Column("budget_tokens", sa.BigInteger),
        sa.Column("budget_nanos", sa.BigInteger),
        sa.Column("budget_period", sa.String(8)),
    ]


def _usage_columns() -> list[sa.Column[object]]:
    names = ("input_tokens", "cached_tokens", "output_tokens", "reasoning_tokens", "cost_nanos")
    return [sa.Column(name, sa.BigInteger, nullable=False) for name in names]


def _create_key_tables() -> None:
    store_revision = op.create_table(
        "store_revision",
        sa.Column("id", sa.Integer, primary_key=True),
        sa.Column("revision", sa.BigInteger, nullable=False),
    )
    op.bulk_insert(store_revision, [{"id": 1, "revision": 0}])
    op.create_table(
        "projects",
        sa.Column("name", sa.String(64), primary_key=True),
        sa.Column("weight", sa.Float, nullable=False),
        *_limit_columns(),
        sa.Column("created_at", sa.BigInteger, nullable=False),
    )
    op.create_table(
        "api_keys",
        sa.Column("id", sa.String(32), primary_key=True),
        sa.Column("hash", sa.String(64), nullable=False, unique=True),
        sa.Column("name", sa.String(128), nullable=False),
        sa.Column("project", sa.String(64), sa.ForeignKey("projects.name"), nullable=False),
        sa.Column("scopes", sa.JSON, nullable=False),
        sa.Column("models", sa.JSON),
        sa.Column("expires_at", sa.BigInteger),
        *_limit_columns(),
        sa.Column("source", sa.String(16), nullable=False),
        sa.Column("created_at", sa.BigInteger, nullable=False),
        sa.Column("revoked_at", sa.BigInteger),
    )


def _create_ledger_tables() -> None:
    op.create_table(
        "completions",
        sa.Column("id", sa.String(64), primary_key=True),
        sa.Column("key_id", sa.String(32), nullable=False),
        sa.Column("project", sa.String(64), nullable=False),
        sa.Column("model", sa.String(256), nullable=False),
        sa.Column("status", sa.String(16), nullable=False),
        sa.Column("finish_reason", sa.String(32)),
        *_usage_columns(),
        sa.Column("estimated", sa.Boolean(create_constraint=False), nullable=False),
        sa.Column("received_at", sa.Float(53), nullable=False),
        sa.Column("first_token_at", sa.Float(53)),
        sa.Column("finished_at", sa.Float(53), nullable=False),
        sa.Index("completions_finished_at", "finished_at"),
    )
    op.create_table(
        "daily_usage",
        sa.Column("day", sa.String(10), primary_key=True),
        sa.Column("key_id", sa.String(32), primary_key=True),
        sa.Column("project", sa.String(64), primary_key=True),
        sa.Column("model", sa.String(256), primary_key=True),
        sa.Column("requests", sa.BigInteger, nullable=False),
        *_usage_columns(),
        sa.Column("estimated_requests", sa.BigInteger, nullable=False),
        sa.Index("daily_usage_key_id", "key_id", "day"),
        sa.Index("daily_usage_project", "project", "day"),
    )
    op.create_table(
        "monthly_usage",
        sa.Column("subject_type", sa.String(8), primary_key=True),
        sa.Column("subject_id", sa.String(64), primary_key=True),
        sa.Column("month", sa.String(7), primary_key=True),
        sa.Column("tokens", sa.BigInteger, nullable=False),
        sa.Column("cost_nanos", sa.BigInteger, nullable=False),
        sqlite_with_rowid=False,
    )


def _create_server_tables() -> None:
    op.create_table(
        "budget_leases",
        sa.Column("id", sa.String(64), primary_key=True),
        sa.Column("server_id", sa.String(32), nullable=False),
        sa.Column("key_id", sa.String(32), nullable=False),
        sa.Column("project", sa.String(64), nullable=False),
        sa.Column("tokens", sa.BigInteger, nullable=False),
        sa.Column("cost_nanos", sa.BigInteger, nullable=False),
        sa.Index("budget_leases_key_id", "key_id"),
        sa.Index("budget_leases_project", "project"),
    )
    op.create_table(
        "servers",
        sa.Column("id", sa.String(32), primary_key=True),
        sa.Column("host", sa.String(256), nullable=False),
        sa.Column("pid", sa.BigInteger, nullable=False),
        sa.Column("heartbeat_at", sa.Float(53), nullable=False),
    )


def _create_response_tables() -> None:
    op.create_table(
        "stored_responses",
        sa.Column("id", sa.String(64), primary_key=True),
        sa.Column("project", sa.String(64), sa.ForeignKey("projects.name", ondelete="CASCADE"), nullable=False),
        sa.Column("previous_id", sa.String(64)),
        sa.Column("conversation_id", sa.String(64)),
        sa.Column("depth", sa.Integer, nullable=False),
        sa.Column("chain_size", sa.BigInteger, nullable=False),
        sa.Column("background", sa.Boolean(create_constraint=False), nullable=False),
        sa.Column("status", sa.String(16), nullable=False),
        sa.Column("server_id", sa.String(32)),
        sa.Column("created_at", sa.BigInteger, nullable=False),
        sa.Column("expires_at", sa.BigInteger, nullable=False),
        sa.Column("size", sa.BigInteger, nullable=False),
        sa.Column("encryption_key", sa.String(16)),
        sa.Column("input", sa.LargeBinary, nullable=False),
        sa.Column("output", sa.LargeBinary, nullable=False),
        sa.Column("response", sa.LargeBinary, nullable=False),
        sa.Index("stored_responses_expires_at", "expires_at"),
        sa.Index("stored_responses_created_at", "created_at"),
        sa.Index("stored_responses_project", "project"),
    )
    op.create_table(
        "stored_sizes",
        sa.Column("project", sa.String(64), sa.ForeignKey("projects.name", ondelete="CASCADE"), primary_key=True),
        sa.Column("responses", sa.BigInteger, nullable=False),
        sa.Column("conversations", sa.BigInteger, nullable=False),
        sa.Column("bytes", sa.BigInteger, nullable=False),
    )


def _create_conversation_tables() -> None:
    op.create_table(
        "conversations",
        sa.Column("id", sa.String(64), primary_key=True),
        sa.Column("project", sa.String(64), sa.ForeignKey("projects.name", ondelete="CASCADE"), nullable=False),
        sa.Column("items", sa.Integer, nullable=False),
        sa.Column("size", sa.BigInteger, nullable=False),
        sa.Column("next_position", sa.BigInteger, nullable=False),
        sa.Column("created_at", sa.BigInteger, nullable=False),
        sa.Column("changed_at", sa.BigInteger, nullable=False),
        sa.Column("expires_at", sa.BigInteger, nullable=False),
        sa.Column("encryption_key", sa.String(16)),
        sa.Column("metadata", sa.LargeBinary, nullable=False),
        sa.Index("conversations_expires_at", "expires_at"),
        sa.Index("conversations_changed_at", "changed_at"),
        sa.Index("conversations_project", "project"),
    )
    op.create_table(
        "conversation_items",
        sa.Column(
            "conversation_id", sa.String(64), sa.ForeignKey("conversations.id", ondelete="CASCADE"), primary_key=True
        ),
        sa.Column("id", sa.String(64), primary_key=True),
        sa.Column("position", sa.BigInteger, nullable=False),
        sa.Column("size", sa.BigInteger, nullable=False),
        sa.Column("encryption_key", sa.String(16)),
        sa.Column("content", sa.LargeBinary, nullable=False),
        sa.Index("conversation_items_position", "conversation_id", "position"),
    )
