"""The tables of the store. What `migrations` makes of an empty database is exactly this; a test compares the two."""

from sqlalchemy import JSON, BigInteger, Column, Float, ForeignKey, Index, Integer, MetaData, String, Table

# Times are seconds since 1970 in UTC. Money is in billionths of the currency's unit, so that sums are exact.
metadata = MetaData()

# One row: `revision` grows with every change of keys or projects, so that a server notices by reading one number.
state = Table(
    "state",
    metadata,
    Column("id", Integer, primary_key=True),
    Column("revision", BigInteger, nullable=False),
)


def _bounds() -> list[Column[object]]:
    """What keys and projects may have in common: limits and a budget. Null is no limit."""
    return [
        Column("requests_per_minute", Integer),
        Column("tokens_per_minute", BigInteger),
        Column("concurrency", Integer),
        Column("budget_tokens", BigInteger),
        Column("budget_money", BigInteger),
        Column("budget_period", String(8)),
    ]


projects = Table(
    "projects",
    metadata,
    Column("name", String(64), primary_key=True),
    Column("weight", Float, nullable=False),
    *_bounds(),
    Column("created", BigInteger, nullable=False),
)

keys = Table(
    "keys",
    metadata,
    Column("id", String(32), primary_key=True),
    Column("hash", String(64), nullable=False, unique=True),
    Column("name", String(128), nullable=False),
    Column("project", String(64), ForeignKey("projects.name"), nullable=False),
    Column("scopes", JSON, nullable=False),
    Column("models", JSON(none_as_null=True)),
    Column("expires", BigInteger),
    *_bounds(),
    Column("source", String(16), nullable=False),
    Column("created", BigInteger, nullable=False),
    Column("revoked", BigInteger),
)

completions = Table(
    "completions",
    metadata,
    Column("id", String(64), primary_key=True),
    Column("key", String(32), nullable=False),
    Column("project", String(64), nullable=False),
    Column("model", String(256), nullable=False),
    Column("status", String(16), nullable=False),
    Column("finish_reason", String(32)),
    Column("input_tokens", BigInteger, nullable=False),
    Column("cached_tokens", BigInteger, nullable=False),
    Column("output_tokens", BigInteger, nullable=False),
    Column("reasoning_tokens", BigInteger, nullable=False),
    Column("cost", BigInteger, nullable=False),
    Column("received", Float(53), nullable=False),
    Column("started", Float(53)),
    Column("finished", Float(53), nullable=False),
    Index("completions_finished", "finished"),
)

# Sums of `completions` by UTC day, kept in the same transactions: reports read these, and budgets of a day.
days = Table(
    "days",
    metadata,
    Column("day", String(10), primary_key=True),
    Column("key", String(32), primary_key=True),
    Column("project", String(64), primary_key=True),
    Column("model", String(256), primary_key=True),
    Column("requests", BigInteger, nullable=False),
    Column("input_tokens", BigInteger, nullable=False),
    Column("cached_tokens", BigInteger, nullable=False),
    Column("output_tokens", BigInteger, nullable=False),
    Column("reasoning_tokens", BigInteger, nullable=False),
    Column("cost", BigInteger, nullable=False),
    Index("days_key", "key", "day"),
    Index("days_project", "project", "day"),
)

# Sums of `days` for each key and each project by month, kept in the same transactions. Budgets read these, a row for
# each month: after years there are too many days to add up while everybody waits.
months = Table(
    "months",
    metadata,
    Column("kind", String(8), primary_key=True),  # "key" or "project"
    Column("name", String(64), primary_key=True),
    Column("month", String(7), primary_key=True),
    Column("tokens", BigInteger, nullable=False),
    Column("cost", BigInteger, nullable=False),
    sqlite_with_rowid=False,
)

# What running requests of keys with a budget may still cost; a server that died leaves its rows to be given back.
reservations = Table(
    "reservations",
    metadata,
    Column("completion", String(64), primary_key=True),
    Column("instance", String(32), nullable=False),
    Column("key", String(32), nullable=False),
    Column("project", String(64), nullable=False),
    Column("tokens", BigInteger, nullable=False),
    Column("cost", BigInteger, nullable=False),
    Index("reservations_key", "key"),
    Index("reservations_project", "project"),
)

# The running servers, each with the last time it said that it lives.
instances = Table(
    "instances",
    metadata,
    Column("id", String(32), primary_key=True),
    Column("host", String(256), nullable=False),
    Column("pid", BigInteger, nullable=False),
    Column("seen", Float(53), nullable=False),
)
